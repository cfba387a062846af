"""Choose the backend that runs a checkpoint folder, and open it. The only place that knows all of them.

auto: an engine for this GPU, else torch on the GPU, else ONNX Runtime, else torch on the CPU. What a backend needs is
imported when it is chosen; when it is missing, the error says what to install.
"""

from importlib.util import find_spec
from pathlib import Path

from ..errors import InvalidData, MissingPart
from ..model.config import NetworkConfig
from ..model.config_file import network_config
from . import engine_manifest
from .embedding import TokenTable
from .tensorrt_module import MODULES

BACKENDS = ("auto", "torch", "onnx", "tensorrt", "tensorrt_rtx")
# What the kernel shows where there is a GPU of a workstation or of a Jetson.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvgpu", "/dev/nvhost-gpu")
_EXPORT = "Run: molmoact export CHECKPOINT --backend"


def choose_backend(folder, wanted: str = "auto", device: str = "auto") -> str:
    """Return the name of the backend that is to run `folder`; `device` is a torch device or "auto".

    InvalidData for an unknown name; MissingPart, naming what to install, when there is nothing that runs it.
    """
    if wanted not in BACKENDS:
        raise InvalidData(f"backend '{wanted}'", f"one of {', '.join(BACKENDS)}", "Choose one of them.")
    if wanted != "auto":
        return wanted
    if device != "cpu" and has_gpu():
        found = next((name for name in MODULES if engine_folders(folder, name) and _installed(MODULES[name])), None)
        if found or _torch_sees_gpu():
            return found or "torch"
    if has_graphs(folder) and find_spec("onnxruntime"):
        return "onnx"
    if find_spec("torch"):
        return "torch"
    missing = "onnxruntime" if has_graphs(folder) else "torch"
    extra = {"onnxruntime": "onnx", "torch": "model"}[missing]
    found = f"no package that runs '{folder}'"
    raise MissingPart(found, f"{missing}", f"Run: pip install 'molmoact_ros[{extra}]'")


def open_runtime(
    folder, legal, backend: str = "auto", threads: int = 1, dtype: str = "float32", device: str = "auto", files=None
):
    """Load a checkpoint folder and return a Runtime whose scores cover the ids `legal`.

    dtype, device: of torch; device "auto" is the first CUDA device, else the CPU. files: file -> sha256 that engines
    must have been made from, None = those that are there. MissingPart or InvalidData.
    """
    chosen = choose_backend(folder, backend, device)
    if chosen == "torch":
        return _open_torch(folder, legal, threads, dtype, device)
    files = source_files(folder) if files is None else files
    if chosen == "onnx":
        return _open_onnx(folder, legal, threads, files)
    return _open_engine(folder, legal, chosen, files)


def _open_torch(folder, legal, threads: int, dtype: str, device: str):
    try:
        import torch
    except ImportError as error:
        do = "Run: pip install 'molmoact_ros[model]', or export it for another backend."
        raise MissingPart("no package 'torch'", "what runs backend torch", do) from error
    from ..model.loading import load_network
    from .torch_runtime import TorchRuntime

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return TorchRuntime(load_network(folder, dtype, device), threads, legal)
    except (RuntimeError, AssertionError) as error:  # no such device, or no room on it
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        found = f"'{folder}' cannot be put on device '{device}' as {dtype} ({reason})"
        raise MissingPart(found, "a device with room for it", "Choose another device or dtype.") from error


def _open_onnx(folder, legal, threads: int, files: dict):
    from .onnx_runtime import OnnxRuntime

    if not has_graphs(folder):
        raise MissingPart(f"no graphs in '{folder}'", "vision.onnx and decoder.onnx", f"{_EXPORT} onnx")
    manifest = engine_manifest.read(folder)
    engine_manifest.refuse(folder, manifest, files, {}, "")
    config = network_config(folder)
    known = _known_ids(manifest, config)
    _require_legal(known, legal, folder)
    return OnnxRuntime(folder, config, TokenTable.of(config, folder), known, threads)


def _open_engine(folder, legal, backend: str, files: dict):
    from .tensorrt_runtime import open_tensorrt

    folders = engine_folders(folder, backend)
    if not folders:
        flag = backend.replace("_", "-")
        raise MissingPart(f"no {backend} engine in '{folder}'", "one for this GPU", f"{_EXPORT} {flag}")
    config = network_config(folder)
    runtime = open_tensorrt(folders, backend, config, files)
    _require_legal(runtime.legal, legal, folder)
    return runtime


def _known_ids(manifest, config):
    import numpy as np

    return np.array(manifest.legal or range(config.decoder.vocab_size), np.int64)


def _require_legal(known, legal, folder) -> None:
    missing = sorted(set(map(int, legal)) - set(map(int, known)))
    if missing:
        found = f"graphs in '{folder}' without scores for {len(missing)} ids that answers need"
        raise InvalidData(found, "every id of the form", f"Correct 'wording' in the manifest. {_EXPORT} …")


def _installed(modules) -> bool:
    return any(find_spec(name) for name in modules)


def _torch_sees_gpu() -> bool:
    """Whether torch is there and was built for this GPU; importing it takes seconds, so ask only where there is one."""
    if not find_spec("torch"):
        return False
    import torch

    return torch.cuda.is_available()


def has_gpu() -> bool:
    """Whether the kernel shows an NVIDIA GPU."""
    return any(Path(path).exists() for path in _GPU_DEVICES)


def has_graphs(folder) -> bool:
    """Whether a checkpoint folder holds its exported graphs."""
    return (Path(folder) / engine_manifest.NAME).is_file() and (Path(folder) / engine_manifest.DECODER).is_file()


def drop_graphs(folder) -> None:
    """Remove the exported graphs of a checkpoint folder, whose weights are new."""
    for name in (engine_manifest.DECODER, engine_manifest.VISION, engine_manifest.NAME):
        (Path(folder) / name).unlink(missing_ok=True)


def engine_folder(folder, backend: str, compute_capability: str, precision: str) -> Path:
    """Return where the engines for one kind of GPU lie inside a checkpoint folder."""
    return Path(folder) / f"{backend}-sm{compute_capability.replace('.', '')}-{precision}"


def engine_folders(folder, backend: str) -> list[Path]:
    """Return the folders with engines of a backend inside a checkpoint folder, one per target and precision."""
    return sorted(path.parent for path in Path(folder).glob(f"{backend}-*/{engine_manifest.NAME}"))


def checkpoint_config(folder) -> NetworkConfig:
    """Read config.json of a checkpoint folder. MissingPart or InvalidData."""
    return network_config(folder)


def is_source(name: str) -> bool:
    """Whether a file of a checkpoint is what exports are made from: config or weights."""
    return name == "config.json" or name.endswith((".safetensors", ".safetensors.index.json"))


def source_files(folder) -> dict[str, str]:
    """Return file -> sha256 of what an export is made from: config and weights."""
    paths = sorted(path for path in Path(folder).glob("[!.]*") if is_source(path.name))
    return {path.name: engine_manifest.checksum(path) for path in paths}
