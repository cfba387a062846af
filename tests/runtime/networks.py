"""Small checkpoints and one way to open each backend on them, for the tests of the runtimes."""

import shutil
from pathlib import Path

import numpy as np
import published_checkpoint as published
import torch

from molmoact_ros.model.loading import load_network
from molmoact_ros.perception.raster import resize
from molmoact_ros.places import data_root
from molmoact_ros.reasoning.factory import open_form
from molmoact_ros.reasoning.manifest import load_manifest
from molmoact_ros.reasoning.probes import FILE, load_probes
from molmoact_ros.runtime import engine_manifest
from molmoact_ros.runtime.export import CAPACITY, DECODER, VISION, write_graphs
from molmoact_ros.runtime.factory import open_runtime, source_files
from molmoact_ros.runtime.torch_runtime import TorchRuntime

ROOT = Path(__file__).resolve().parents[2]
# torch-steps: windows of fixed sizes, which a GPU runs as CUDA graphs.
BACKENDS = ("torch", "torch-steps", "onnx-native", "onnx-compat")


def embedded(folder) -> Path:
    """Copy the shipped model, without its graphs."""
    shutil.copytree(ROOT / "models" / "embedded", folder)
    shutil.copy(ROOT / "models" / "embedded.yaml", Path(f"{folder}.yaml"))
    for name in (DECODER, VISION, engine_manifest.NAME):
        (folder / name).unlink()
    return folder


def published_small(folder) -> Path:
    """Write a random network in the released layout, two rows of seven."""
    return published.build(folder, horizon=2)


MODELS = {"embedded": embedded, "published": published_small}


def form_of(folder):
    """Return how a checkpoint is asked and answers."""
    return open_form(load_manifest(folder), resize)


def questions(form, count: int = 2) -> list:
    """Return questions about the shipped probe frames."""
    return [form.question(p.frame, p.instruction) for p in load_probes(data_root() / FILE)[:count]]


def add_graphs(folder, legal, form: str) -> None:
    """Export a checkpoint into its own folder without comparing it: that is what the tests do."""
    network, known = write_graphs(folder, folder, legal, form, share=True)
    whole = len(known) == network.config.decoder.vocab_size
    engine_manifest.EngineManifest(
        "onnx", form, "fp32", "", {}, source_files(folder),
        {name: engine_manifest.checksum(folder / name) for name in (DECODER, VISION)},
        network.config.decoder.learned_positions or CAPACITY, {}, () if whole else tuple(map(int, known)),
    ).write(folder)  # fmt: skip


def open_backend(folder, backend: str, form):
    """Open a checkpoint with one of BACKENDS, exporting it when needed."""
    torch.manual_seed(0)
    name, _, kind = backend.partition("-")
    if kind == "steps":
        return TorchRuntime(load_network(folder), legal=form.grammar.legal, graphs=True)
    if kind:
        copy = Path(f"{folder}-{kind}")
        if not copy.is_dir():
            shutil.copytree(folder, copy)
            add_graphs(copy, form.grammar.legal, kind)
        folder = copy
    return open_runtime(folder, form.grammar.legal, name)


def same(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-3) -> bool:
    """Whether scores agree."""
    return found.shape == expected.shape and float(np.abs(found - expected).max()) <= tolerance
