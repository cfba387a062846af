"""Export the depth VQ-VAE to ONNX, so that a cell encodes and decodes depth without torch."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import missing_package
from ..model.depth_vqvae import DepthVqvae, DepthVqvaeConfig
from ..model.depth_vqvae_store import load_depth_vqvae
from .depth_onnx import DECODER, ENCODER, SEAL

try:
    import onnxscript  # noqa: F401 - the exporter of torch writes its graphs with it

    from .onnx_weights import refer_weights, save_beside
except ImportError as error:
    raise missing_package(error.name or "onnxscript", "export") from error

OPSET = 18


class _Encoder(nn.Module):
    """Image (1, 1, S, S) -> codes (1, S / 32, S / 32). The members keep their names: the weights are found by them."""

    def __init__(self, network: DepthVqvae):
        super().__init__()
        self.encoder, self._vq_vae = network.encoder, network._vq_vae

    def forward(self, image: Tensor) -> Tensor:
        return self._vq_vae.codes(self.encoder(image))


class _Decoder(nn.Module):
    """Codes (1, S / 32, S / 32) -> image (1, 1, S, S)."""

    def __init__(self, network: DepthVqvae):
        super().__init__()
        self.decoder, self._vq_vae = network.decoder, network._vq_vae

    def forward(self, codes: Tensor) -> Tensor:
        return self.decoder(self._vq_vae.lookup(codes))


def export_depth_vqvae(folder, config: DepthVqvaeConfig = DepthVqvaeConfig()) -> list[Path]:
    """Write encoder.onnx, decoder.onnx and onnx.json beside the safetensors of `folder`; return these files.

    The graphs refer to the weights in the safetensors and compute in float32. onnx.json holds the checksums of all of
    them: graphs and weights that were not made for each other are refused when they are opened.
    """
    folder = Path(folder)
    network = load_depth_vqvae(folder, config).to(memory_format=torch.contiguous_format)
    image = torch.zeros(1, 1, config.image_size, config.image_size)
    codes = torch.zeros(1, config.grid_size, config.grid_size, dtype=torch.int64)
    _export(_Encoder(network), {"image": image}, "codes", folder / ENCODER)
    _export(_Decoder(network), {"codes": codes}, "image", folder / DECODER)
    files = [folder / ENCODER, folder / DECODER, *sorted(folder.glob("*.safetensors*"))]
    seal = {
        "codebook_size": config.codebook_size,
        "torch": torch.__version__,
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }
    (folder / SEAL).write_text(json.dumps(seal, indent=1) + "\n")
    return [folder / ENCODER, folder / DECODER, folder / SEAL]


def _export(module: nn.Module, inputs: dict, output: str, path: Path) -> None:
    # the exporter's own optimiser would fold weights into new ones, which are stored nowhere
    program = torch.onnx.export(
        module.eval(), tuple(inputs.values()), input_names=list(inputs), output_names=[output],
        opset_version=OPSET, dynamo=True, optimize=False, verbose=False,
    )  # fmt: skip
    model = program.model_proto
    refer_weights(model, path.parent)
    save_beside(model, path)
