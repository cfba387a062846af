"""`molmoact export CHECKPOINT --backend …`: graphs for ONNX Runtime, engines for a GPU, held against torch."""

import argparse
import re

from ..errors import ConfigError
from ..perception.raster import resize
from ..places import locate
from ..reasoning.exporting import export_engines, export_graphs
from ..reasoning.manifest import manifest_path
from ..runtime.engine_manifest import NAME
from ..runtime.export import CAPACITY

BACKENDS = ("onnx", "tensorrt", "tensorrt-rtx")
PRECISIONS = ("fp32", "fp16", "bf16", "fp8", "int4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact export`."""
    parser.add_argument("checkpoint", help="folder of a checkpoint with its manifest beside it, or the manifest itself")
    parser.add_argument("--backend", choices=BACKENDS, default="onnx", help="what is to run it")
    parser.add_argument(
        "--form", choices=("native", "compat"), default="native", help="compat: for TensorRT before 10.15"
    )
    parser.add_argument(
        "--compute-capability", default="", metavar="N.N", help="of the GPU an engine is for, as in 8.9"
    )
    parser.add_argument("--precision", choices=PRECISIONS, help="default: fp32 for onnx, fp16 for engines")
    parser.add_argument("--capacity", type=int, default=CAPACITY, help="tokens of question and answer that fit")


def main(options: argparse.Namespace) -> int:
    """Export and pin what was written; exit code 0 only when the result says what torch says."""
    do = "Name the folder of a model (its manifest stands beside it: NAME.yaml)."
    checkpoint = locate(str(manifest_path(options.checkpoint.rstrip("/"))), "manifest", do)
    if options.backend == "onnx":
        _require_onnx(options)
        folder, made = export_graphs(checkpoint, resize, options.form, options.capacity)
    else:
        _require_target(options)
        folder, made = export_engines(
            checkpoint,
            resize,
            backend=options.backend.replace("-", "_"),
            compute_capability=options.compute_capability,
            precision=options.precision or "fp16",
            form=options.form,
            capacity=options.capacity,
        )
    figures = (
        ", ".join(f"{name} {value:.3g}" for name, value in made.parity.items()) or "not run, that takes such a GPU"
    )
    print(f"wrote {', '.join(sorted(made.files))} and {NAME} to {folder}\ncompared with torch: {figures}")
    return 0


def _require_onnx(options) -> None:
    if options.compute_capability or options.precision not in (None, "fp32"):
        found = f"--backend onnx with {options.compute_capability or options.precision}"
        raise ConfigError(found, "fp32 on the CPU", "Leave it out, or choose --backend tensorrt-rtx.")


def _require_target(options) -> None:
    if not re.fullmatch(r"[0-9]+\.[0-9]", options.compute_capability):
        found = f"--compute-capability '{options.compute_capability}'"
        do = "See it with: nvidia-smi --query-gpu=compute_cap --format=csv"
        raise ConfigError(found, "that of the GPU, as in 8.9", do)
