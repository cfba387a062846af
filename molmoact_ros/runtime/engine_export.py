"""Build the engines of a checkpoint for a named GPU: graphs in the wanted precision, then TensorRT or TensorRT-RTX."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Sequence

import numpy as np

from ..errors import InvalidData
from .comparison import compare
from .contract import Question
from .cuda_buffers import device_capability
from .decode import Hints, Pace, decode
from .engine_manifest import DECODER, VISION, EngineManifest, checksum
from .export import CAPACITY, versions, write_graphs
from .factory import engine_folder, has_gpu, source_files
from .tensorrt_builder import build, decoder_profiles, require_target
from .tensorrt_module import runtime_versions
from .torch_runtime import TorchRuntime

# fp8 and int4 round the decoder's matrices; everything else, the eye included, stays in 16 bits.
_BASE = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "fp8": "fp16", "int4": "fp16"}
ENGINES = {DECODER: "decoder.plan", VISION: "vision.plan"}
# Two pictures of eight enlarged crops each, and their image tokens.
_MOST_CROPS, _MOST_PLACES = 18, 8192


@dataclass(frozen=True)
class Target:
    """What engines are for. compute_capability: of the GPU, as in "8.9"; capacity: tokens that the cache holds."""

    backend: str
    compute_capability: str
    precision: str = "fp16"
    form: str = "native"
    capacity: int = CAPACITY

    def __post_init__(self):
        if self.precision not in _BASE:
            raise InvalidData(f"precision '{self.precision}'", f"one of {', '.join(_BASE)}", "Choose one of them.")


def export_engine(checkpoint, grammar, questions: Sequence[Question], target: Target) -> tuple[Path, EngineManifest]:
    """Write both engines and engine.json into a folder of the checkpoint's own; return the folder and the manifest.

    questions: what activations are measured on for fp8. MissingPart names what to install, InvalidData says what a GPU
    of that compute capability cannot run.
    """
    require_target(target.backend, target.compute_capability, target.precision)
    folder = engine_folder(checkpoint, target.backend, target.compute_capability, target.precision)
    with TemporaryDirectory() as name:
        made = Path(name)
        known, capacity, whole = _build(checkpoint, made, grammar, questions, target)
        folder.mkdir(exist_ok=True)
        for engine in ENGINES.values():
            shutil.move(made / engine, folder / engine)
    manifest = EngineManifest(
        backend=target.backend,
        form=target.form,
        precision=target.precision,
        compute_capability=target.compute_capability,
        versions={**versions("torch", "onnx", "onnxscript"), **runtime_versions(target.backend)},
        source=source_files(checkpoint),
        files={name: checksum(folder / name) for name in ENGINES.values()},
        capacity=capacity,
        legal=() if whole else tuple(map(int, known)),
    )
    manifest.write(folder)
    if has_gpu() and device_capability() == target.compute_capability:
        manifest = replace(manifest, parity=_parity(checkpoint, folder, manifest, grammar, questions))
        manifest.write(folder)
    return folder, manifest


def _build(checkpoint, made: Path, grammar, questions, target: Target) -> tuple[np.ndarray, int, bool]:
    """Build both engines in `made`; return the ids that are scored, the capacity, and whether these are all ids."""
    base = _BASE[target.precision]
    network, known = write_graphs(checkpoint, made, grammar.legal, target.form, base, target.capacity)
    decoder = _rounded(made, target.precision, network, known, grammar, questions)
    config = network.config
    del network  # the builder needs the room
    capacity = config.decoder.learned_positions or target.capacity
    eye = {"s": (1, 32, capacity)} if config.vit is None else {"t": (1, 2, _MOST_CROPS), "p": (1, 784, _MOST_PLACES)}
    parts = {VISION: (made / VISION, base, (eye,)), DECODER: (decoder, target.precision, decoder_profiles(capacity))}
    for graph, (path, precision, profiles) in parts.items():
        build(path, made / ENGINES[graph], target.backend, target.compute_capability, precision, profiles)
    return known, capacity, len(known) == config.decoder.vocab_size


def _parity(checkpoint, folder: Path, manifest: EngineManifest, grammar, questions) -> dict:
    """Hold the engines against torch in fp32; how close is close enough is for the reader to judge."""
    from ..model.loading import load_network
    from .tensorrt_runtime import open_tensorrt

    network = load_network(checkpoint)
    engine = open_tensorrt([folder], manifest.backend, network.config, manifest.source)
    return compare(TorchRuntime(network, legal=engine.legal), engine, grammar, questions)


def _rounded(folder: Path, precision: str, network, known, grammar, questions) -> Path:
    """Return the decoder's graph in a precision of fewer bits, or as it is."""
    if precision not in ("fp8", "int4"):
        return folder / DECODER
    from .onnx_precision import activations, write_fp8, write_int4

    target = folder / "rounded.onnx"
    if precision == "int4":
        write_int4(folder / DECODER, target)
    else:
        amax = magnitudes(network.float(), known, grammar, questions, activations(folder / DECODER))
        write_fp8(folder / DECODER, target, amax)
    return target


def magnitudes(network, known, grammar, questions: Sequence[Question], layers: dict[str, str]) -> dict[str, float]:
    """Answer questions with torch and return the largest magnitude of each activation.

    layers: activation -> name of the weight that it is multiplied with. InvalidData without a question.
    """
    if not questions:
        raise InvalidData("no question to measure activations with", "the probe frames", "Use another precision.")
    modules, found, hooks = dict(network.named_modules()), dict.fromkeys(layers, 0.0), []
    for name, weight in layers.items():

        def look(_, inputs, name=name):
            found[name] = max(found[name], float(inputs[0].abs().max()))

        hooks.append(modules[weight.removesuffix(".weight")].register_forward_pre_hook(look))
    runtime = TorchRuntime(network, legal=known)
    for question in questions:
        decode(runtime, grammar, question, Hints(), Pace(0))
    for hook in hooks:
        hook.remove()
    return found
