"""What an engine folder says about itself, `engine.json`, and why an engine is refused.

An engine belongs to one checkpoint, one version of its runtime and one kind of GPU; run with another it fails late, or
answers wrongly.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Mapping

from ..errors import InvalidData, MissingPart
from ..model.config import require_fit

NAME = "engine.json"
# The two graphs of an export, see model/export.py.
DECODER, VISION = "decoder.onnx", "vision.onnx"
BACKENDS, FORMS = ("onnx", "tensorrt", "tensorrt_rtx"), ("native", "compat")
PRECISIONS = ("fp32", "fp16", "bf16", "fp8", "int4")
_DO = "Export again: molmoact export CHECKPOINT"


@dataclass(frozen=True)
class EngineManifest:
    """An exported checkpoint.

    compute_capability: as in "8.9", "" for onnx. versions: package -> version that built it. source: file of the
    checkpoint -> sha256. files: file of this folder -> sha256. parity: measured figures. capacity: tokens that the
    cache holds. legal: ids that the columns of the logits score, () = all.
    """

    backend: str
    form: str
    precision: str
    compute_capability: str
    versions: dict
    source: dict
    files: dict
    capacity: int
    parity: dict = field(default_factory=dict)
    legal: tuple[int, ...] = ()

    def __post_init__(self):
        for name, allowed in (("backend", BACKENDS), ("form", FORMS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise InvalidData(f"{name} '{getattr(self, name)}' in {NAME}", f"one of {list(allowed)}", _DO)
        if (self.backend == "onnx") != (self.compute_capability == ""):
            found = f"compute capability '{self.compute_capability}' of backend '{self.backend}' in {NAME}"
            raise InvalidData(found, "none for onnx, one such as '8.9' for an engine", _DO)
        if not self.files or not self.source:
            raise InvalidData(f"no files or no source in {NAME}", "their checksums", _DO)

    def write(self, folder) -> Path:
        """Write engine.json into the folder of the engine files; return its path."""
        path = Path(folder) / NAME
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        return path


def read(folder) -> EngineManifest:
    """Read engine.json of a folder. MissingPart or InvalidData."""
    path = Path(folder) / NAME
    if not path.is_file():
        raise MissingPart(f"no '{path}'", "a folder made by molmoact export", _DO)
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidData(f"'{path}' ({error})", "JSON", _DO) from None
    known = {f.name: f for f in fields(EngineManifest)}
    if not isinstance(data, dict) or set(data) - set(known):
        unknown = sorted(set(data) - set(known)) if isinstance(data, dict) else type(data).__name__
        raise InvalidData(f"{unknown} in '{path}'", f"a JSON object with {sorted(known)}", _DO)
    for name, wanted in known.items():
        require_fit(wanted, name, data, name, NAME)
    for name in ("source", "files"):
        if not all(type(value) is str and Path(key).name == key for key, value in data[name].items()):
            raise InvalidData(f"{name} in '{path}'", "file names without folder, each with its sha256", _DO)
    return EngineManifest(**{**data, "legal": tuple(data["legal"])})


def checksum(path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse(
    folder,
    manifest: EngineManifest,
    checkpoint_files: Mapping[str, str],
    runtime_versions: Mapping[str, str],
    device_capability: str,
) -> None:
    """Raise when the engines of `folder` do not fit; return nothing when they do.

    checkpoint_files: file -> sha256 of the checkpoint that is to be run. runtime_versions: package -> version that is
    installed here, of those that run the backend. device_capability: of the GPU, as in "8.9", "" where there is none.
    """
    _refuse_device(folder, manifest, device_capability)
    if manifest.backend != "onnx":  # graphs do not depend on who wrote them
        for package, version in runtime_versions.items():
            if manifest.versions.get(package) != version:
                built = f"'{folder}' built with {package} {manifest.versions.get(package, '(unknown)')}"
                raise InvalidData(built, f"{version}, which is installed here", f"Install that version, or: {_DO}")
    for name in sorted(manifest.source.keys() | checkpoint_files.keys()):
        if manifest.source.get(name) != checkpoint_files.get(name):
            found = f"'{folder}' made from another checkpoint: its '{name}' differs"
            raise InvalidData(found, "the checkpoint that is to be run", _DO)
    for name, expected in manifest.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise MissingPart(f"no '{path}'", f"all files that {NAME} names", _DO)
        if checksum(path) != expected:
            size = path.stat().st_size
            raise InvalidData(f"'{path}' ({size} bytes) damaged or replaced", f"the file that {NAME} names", _DO)


def _refuse_device(folder, manifest: EngineManifest, capability: str) -> None:
    target = manifest.compute_capability
    if not target or target == capability:
        return
    if not capability:
        found = f"no CUDA device for the engine in '{folder}'"
        raise MissingPart(found, f"one of compute capability {target}", "Run it on that GPU, or use the onnx backend.")
    found = f"'{folder}' built for compute capability {target} on a GPU of {capability}"
    raise InvalidData(found, "an engine for this GPU", f"{_DO} --compute-capability {capability}")
