"""Choose what runs the depth VQ-VAE: exported graphs where there are some, the network in torch otherwise."""

from pathlib import Path

import numpy as np

from ..errors import MissingPart, missing_package
from .depth_onnx import DECODER, ENCODER, OnnxDepthCoder


def open_depth_coder(path, threads: int = 1):
    """Open the depth VQ-VAE of `path`, ready to run: encode(image), decode(codes), codebook_size, image_size.

    path: a folder with encoder.onnx and decoder.onnx (onnxruntime), a folder or file with safetensors alone or a .pt
    file (torch). MissingPart when nothing is there or the package is not installed, InvalidData when files do not fit.
    """
    path = Path(path)
    if not path.exists():
        found, expected = f"no weights of the depth VQ-VAE at '{path}'", "a folder with weights, or vae-final.pt"
        raise MissingPart(found, expected, "Set depth_model to one, or train it: molmoact train depth-vqvae.")
    coder = _choose(path)(path, threads)
    coder.encode(np.zeros((coder.image_size,) * 2, np.float32))  # the first call plans its memory and kernels
    return coder


def _choose(path: Path) -> type:
    if (path / ENCODER).is_file() and (path / DECODER).is_file():
        return OnnxDepthCoder
    try:
        from .depth_torch import TorchDepthCoder
    except ImportError as error:
        raise missing_package(error.name or "torch", "model") from error
    return TorchDepthCoder
