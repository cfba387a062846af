"""Export a whole checkpoint: see that it is the pinned one, make graphs or engines, compare them, pin them."""

from pathlib import Path
from typing import Callable, Iterator

from ..errors import InvalidData, missing_package
from ..places import data_root
from ..runtime.contract import Question
from ..runtime.engine_manifest import NAME, EngineManifest
from ..runtime.export import CAPACITY, export_onnx
from ..runtime.factory import is_source
from .factory import open_form
from .manifest import Manifest, add_pins, load_manifest, sha256
from .probes import FILE, load_probes


def export_graphs(
    checkpoint, prepare: Callable, form: str = "native", capacity: int = CAPACITY
) -> tuple[Path, EngineManifest]:
    """Write the graphs for ONNX Runtime beside the weights and their checksums into the manifest.

    `prepare(image, size)` resizes a picture. InvalidData when files are not the pinned ones, or the graphs differ.
    """
    manifest = load_manifest(checkpoint)
    require_pinned(manifest)
    asked = open_form(manifest, prepare)
    made = export_onnx(manifest.folder, asked.grammar, list(probe_questions(asked)), form, capacity)
    if manifest.files:
        add_pins(manifest, {name: sha256(manifest.folder / name) for name in (*made.files, NAME)})
    return manifest.folder, made


def export_engines(checkpoint, prepare: Callable, **target) -> tuple[Path, EngineManifest]:
    """Build the engines for a GPU into a folder of the checkpoint; `target` as in runtime.engine_export.Target.

    MissingPart names what to install, InvalidData what that GPU or the graph does not allow.
    """
    try:
        from ..runtime.engine_export import Target, export_engine
    except ImportError as error:
        raise missing_package(error.name or "torch", "model") from error
    manifest = load_manifest(checkpoint)
    require_pinned(manifest)
    asked = open_form(manifest, prepare)
    return export_engine(manifest.folder, asked.grammar, list(probe_questions(asked)), Target(**target))


def require_pinned(manifest: Manifest) -> None:
    """Refuse to export files that are not those of the manifest. InvalidData."""
    for name, digest in manifest.files.items():
        if is_source(name) and sha256(manifest.folder / name) != digest:
            do = "Fetch the checkpoint again; if you trust what is there: molmoact doctor MODEL --pin"
            raise InvalidData(f"'{manifest.folder / name}' has another sha256", f"{digest[:12]}…", do)


def probe_questions(form) -> Iterator[Question]:
    """Yield the questions about the shipped probe frames that the checkpoint can be asked."""
    for probe in load_probes(data_root() / FILE):
        question = None if form.problem(probe.instruction) else form.question(probe.frame, probe.instruction)
        if isinstance(question, Question):
            yield question
