"""Write a checkpoint as ONNX graphs: beside its weights for ONNX Runtime, or whole, to build engines from."""

from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..errors import InvalidData, missing_package
from . import engine_manifest
from .comparison import TOLERANCE, compare
from .contract import Question
from .engine_manifest import DECODER, VISION
from .factory import source_files

# Tokens of a question with two pictures of one crop, and of an answer of 512.
CAPACITY = 2048
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_PACKAGES = ("torch", "onnx", "onnxscript")


def write_graphs(
    checkpoint, output, legal, form: str = "native", precision: str = "fp32", capacity: int = CAPACITY, share=False
):
    """Export both graphs of a checkpoint folder into `output`; return (the network, the ids that are scored).

    share: let the graphs read the weights that lie in `output` as safetensors (fp32 only). MissingPart or InvalidData.
    """
    try:
        import onnx

        from ..model import export
        from ..model.loading import load_network
        from .onnx_weights import refer_weights
    except ImportError as error:
        raise missing_package(error.name or "onnx", "export") from error
    network = load_network(checkpoint, _DTYPES[precision])
    vocabulary = network.config.decoder.vocab_size
    # a head that is nearly whole stays whole: its rows then are the checkpoint's
    known = np.asarray(legal) if len(legal) < vocabulary / 2 else np.arange(vocabulary)
    # on a CPU every column of the mask costs; an engine wants steps that are alike
    plan = export.ExportPlan(form, network.config.decoder.learned_positions or capacity, known, trim=share)
    for name, make in ((VISION, export.export_vision), (DECODER, export.export_decoder)):
        model = make(network, plan)
        if share:
            refer_weights(model, output)
            onnx.save(model, Path(output) / name)
        else:
            whole = {"save_as_external_data": True, "location": f"{name}.weights", "size_threshold": 1024}
            onnx.save(model, Path(output) / name, **whole)
    return network, known


def export_onnx(checkpoint, grammar, questions: list[Question], form: str = "native", capacity: int = CAPACITY):
    """Export a checkpoint folder for ONNX Runtime, into the same folder, and hold it against torch.

    Writes decoder.onnx, vision.onnx and engine.json; returns the EngineManifest. InvalidData when the two do not say
    the same; the graphs are then removed.
    """
    from .embedding import TokenTable
    from .onnx_runtime import OnnxRuntime
    from .torch_runtime import TorchRuntime

    folder = Path(checkpoint)
    network, known = write_graphs(folder, folder, grammar.legal, form, capacity=capacity, share=True)
    other = OnnxRuntime(folder, network.config, TokenTable.of(network.config, folder), known)
    parity = compare(TorchRuntime(network, legal=known), other, grammar, questions)
    names = (DECODER, VISION)
    if not parity["tokens_equal"] or not parity["max_logit_error"] <= TOLERANCE:
        for name in names:
            (folder / name).unlink()
        found = f"graphs of '{folder}' that differ from torch: {parity}"
        raise InvalidData(found, f"the same tokens, scores within {TOLERANCE}", "Report this with the checkpoint.")
    manifest = engine_manifest.EngineManifest(
        backend="onnx",
        form=form,
        precision="fp32",
        compute_capability="",
        versions=versions(*_PACKAGES, "onnxruntime"),
        source=source_files(folder),
        files={name: engine_manifest.checksum(folder / name) for name in names},
        capacity=other.capacity,
        parity=parity,
        legal=() if len(known) == network.config.decoder.vocab_size else tuple(map(int, known)),
    )
    manifest.write(folder)
    return manifest


def versions(*packages: str) -> dict[str, str]:
    """Return the installed version of each package."""
    return {name: version(name).split("+")[0] for name in packages}
