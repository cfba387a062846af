"""`molmoact export CHECKPOINT --backend …`: graphs for ONNX Runtime, engines for a GPU, held against torch."""

import argparse

from ..errors import InvalidData
from ..perception.raster import resize
from ..places import data_root, locate
from ..reasoning.factory import open_form
from ..reasoning.manifest import Manifest, add_pins, load_manifest, manifest_path, sha256
from ..reasoning.probes import FILE, load_probes
from ..runtime.contract import Question
from ..runtime.engine_manifest import NAME
from ..runtime.export import CAPACITY, export_onnx
from ..runtime.factory import is_source

BACKENDS = ("onnx", "tensorrt", "tensorrt-rtx")
PRECISIONS = ("fp32", "fp16", "bf16", "fp8", "int4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact export`."""
    parser.add_argument("checkpoint", help="folder of a checkpoint with its manifest beside it, or the manifest itself")
    parser.add_argument("--backend", choices=BACKENDS, default="onnx", help="what is to run it")
    parser.add_argument("--form", choices=("native", "compat"), default="native", help="compat: for TensorRT before 10.15")
    parser.add_argument("--compute-capability", default="", metavar="N.N", help="of the GPU an engine is for, as in 8.9")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: fp32 for onnx, fp16 for engines")
    parser.add_argument("--capacity", type=int, default=CAPACITY, help="tokens of question and answer that fit")


def main(options: argparse.Namespace) -> int:
    """Export and pin what was written; exit code 0 only when the result says what torch says."""
    do = "Name the folder of a model (its manifest stands beside it: NAME.yaml)."
    manifest = load_manifest(locate(str(manifest_path(options.checkpoint.rstrip("/"))), "manifest", do))
    require_pinned(manifest)
    form = open_form(manifest, resize)
    questions = list(probe_questions(form))
    folder, made = (_onnx if options.backend == "onnx" else _engine)(options, manifest, form, questions)
    figures = ", ".join(f"{name} {value:.3g}" for name, value in made.parity.items()) or "not run: no GPU of that kind"
    print(f"wrote {', '.join(sorted(made.files))} and {NAME} to {folder}\ncompared with torch: {figures}")
    return 0


def require_pinned(manifest: Manifest) -> None:
    """Refuse to export files that are not those of the manifest. InvalidData."""
    for name, digest in manifest.files.items():
        if is_source(name) and sha256(manifest.folder / name) != digest:
            do = "Fetch the checkpoint again; if you trust what is there: molmoact doctor MODEL --pin"
            raise InvalidData(f"'{manifest.folder / name}' has another sha256", f"{digest[:12]}…", do)


def probe_questions(form):
    """Yield the questions of the shipped probe frames that the checkpoint can be asked."""
    for probe in load_probes(data_root() / FILE):
        question = None if form.problem(probe.instruction) else form.question(probe.frame, probe.instruction)
        if isinstance(question, Question):
            yield question


def _onnx(options, manifest: Manifest, form, questions):
    made = export_onnx(manifest.folder, form.grammar, questions, options.form, options.capacity)
    if manifest.files:
        added = [*made.files, NAME]
        add_pins(manifest, {name: sha256(manifest.folder / name) for name in added})
    return manifest.folder, made
