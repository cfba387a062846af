"""The models that are measured: the embedded one, a larger one with random weights, and one that speaks text."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np

from ...errors import MissingPart, missing_package
from ...perception.raster import resize
from ...places import data_root
from ...reasoning.factory import open_form
from ...reasoning.manifest import Manifest, load_manifest
from ...reasoning.text_form import TextForm
from ...runtime.contract import Question
from ...runtime.factory import checkpoint_config, engine_folders, has_gpu, has_graphs, open_runtime
from ...runtime.tensorrt_module import MODULES
from .cycles import POLICY, Cycle
from .measure import Subject
from .modes import BEST, EXACT, MODES, Mode
from .spoken import Spoken, as_text, said, spelled

EMBEDDED, RANDOM, TEXT, TEXT_7 = "embedded", "random-30m", "v1 text 8x4", "v1 text 8x7"
MODELS = (EMBEDDED, TEXT, TEXT_7, RANDOM)
# With tables and tower about 30 million parameters.
_30M = {
    "num_hidden_layers": 8,
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 1856,
}
_MAKER = "tools/random_checkpoint.py"
_COLUMNS = 7


def backends(folder, device: str = "cpu") -> list[str]:
    """Return the backends that can run a checkpoint folder here."""
    found = ["torch"] if find_spec("torch") else []
    found += ["onnx"] if has_graphs(folder) and find_spec("onnxruntime") else []
    if has_gpu():
        found += [name for name in MODULES if engine_folders(folder, name) and any(map(find_spec, MODULES[name]))]
    return found


def modes_of(model: str) -> list[Mode]:
    """Return what is measured of a model: only a trained one gives plans that an inexact mode can be judged by."""
    names = {EMBEDDED: tuple(MODES), TEXT_7: ("plain", "jump", BEST)}
    return [MODES[name] for name in names.get(model, EXACT)]


def subjects(model: str, cycles: Sequence[Cycle], work, wanted: Sequence[str], threads: int) -> Iterator[Subject]:
    """Yield a model on each wanted backend that is present; what has to be made is made in the folder `work`."""
    if model in (TEXT, TEXT_7):
        yield from _text_subjects(model, cycles, work, wanted, threads)
        return
    folder = data_root() / POLICY if model == EMBEDDED else random_checkpoint(Path(work) / "random-30m", cycles)
    manifest = load_manifest(folder)
    form = open_form(manifest, resize)
    for backend in [name for name in backends(folder) if name in wanted]:
        device = "cpu" if backend == "torch" else "auto"
        runtime = open_runtime(folder, form.grammar.legal, backend, threads, device=device)
        yield Subject(model, backend, runtime, form, manifest, cycles)


def random_checkpoint(folder: Path, cycles: Sequence[Cycle], sizes=_30M) -> Path:
    """Write a checkpoint of the embedded layout with random weights, and its graphs, unless it is there; return it."""
    if has_graphs(folder):
        return folder
    try:
        from ...learning.train import save
        from ...runtime.export import export_onnx
        from ...runtime.yardstick import random_network
    except ImportError as error:
        raise missing_package(error.name or "torch", "model") from error
    config = checkpoint_config(data_root() / POLICY)
    save(random_network(replace(config, decoder=replace(config.decoder, **sizes))), folder)
    form = open_form(load_manifest(folder), resize)
    export_onnx(folder, form.grammar, _questions(form, cycles[:2]))
    return folder


def _questions(form, cycles: Sequence[Cycle]) -> list[Question]:
    return [form.question(cycle.frame, cycle.instruction) for cycle in cycles]


def _text_subjects(model: str, cycles, work, wanted, threads: int) -> Iterator[Subject]:
    """Yield the published layout on ONNX Runtime: its plain passes would take torch on a CPU too long."""
    if "onnx" not in wanted or not find_spec("onnxruntime"):
        return
    folder = text_checkpoint(Path(work) / "text-30m", cycles)
    manifest = text_manifest(Path(work), _COLUMNS if model == TEXT_7 else None)
    form = TextForm(_chat(folder), manifest)
    runtime = open_runtime(folder, form.grammar.legal, "onnx", threads)
    yield text_subject(model, runtime, form, cycles)


def text_subject(model: str, runtime, form: TextForm, cycles: Sequence[Cycle]) -> Subject:
    """Return a subject that says the policy's answer to each cycle as text; cycles without a plan are left out."""
    texts = [(cycle, texts_of(form, cycle)) for cycle in cycles]
    texts = [(cycle, ids) for cycle, ids in texts if ids is not None]
    spoken = Spoken(runtime)
    kept = [cycle for cycle, _ in texts]
    return Subject(model, runtime.name, spoken, form, form.manifest, kept, lambda number: spoken.say(texts[number][1]))


def texts_of(form: TextForm, cycle: Cycle) -> np.ndarray | None:
    """Return the policy's answer to a cycle as ids of a text, None where it saw nothing that fits."""
    policy = load_manifest(data_root() / POLICY)
    values = said(open_form(policy, resize).grammar, cycle.ids)
    if ("action", 0, 0) not in values:
        return None
    dims = policy.embedded.dims if form.manifest.dims == _COLUMNS else range(policy.dims)
    constant = {}
    if form.manifest.dims == _COLUMNS:
        bins = form.manifest.bins(np.array([policy.embedded.constant]))[0]
        constant = {column: int(bins[column]) for column in range(_COLUMNS) if column not in dims}
    return spelled(form.grammar, as_text(values, dims, constant))


def text_manifest(work: Path, columns: int | None = None) -> Manifest:
    """Return the policy's manifest for a model that looks through both cameras; columns: 7 = rotation written, too."""
    policy = load_manifest(data_root() / POLICY)
    states = replace(policy.states, cameras=("front", "wrist"))
    if columns is None:
        return replace(policy, states=states)
    folder = Path(work) / "statistics"
    folder.mkdir(parents=True, exist_ok=True)
    stats = json.loads(json.dumps(policy.norm_stats))
    ends = stats[states.unnorm_key]["action"]
    for name, turn in (("q01", -math.pi), ("q99", math.pi)):
        row = [turn] * _COLUMNS
        for column, value in zip(policy.embedded.dims, ends[name]):
            row[column] = value
        ends[name] = row
    (folder / states.norm_stats).write_text(json.dumps(stats))
    embedded = replace(policy.embedded, dims=tuple(range(_COLUMNS)))
    return replace(policy, folder=folder, states=states, embedded=embedded)


def text_checkpoint(folder: Path, cycles: Sequence[Cycle], size: str = "30m") -> Path:
    """Write a checkpoint of the published layout with random weights, and its graphs, unless it is there; return it."""
    if has_graphs(folder):
        return folder
    from ...runtime.export import export_onnx

    maker = data_root() / _MAKER
    if not maker.is_file():
        found = f"no '{_MAKER}' in '{data_root()}'"
        raise MissingPart(found, "a checkout of the project", "Run it in a checkout, or leave the text models out.")
    command = [sys.executable, str(maker), str(folder), "--size", size]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingPart(f"{_MAKER} failed ({reason})", "a checkpoint", f"Run: {_MAKER} FOLDER --size {size}")
    form = TextForm(_chat(folder), text_manifest(folder.parent))
    export_onnx(folder, form.grammar, _questions(form, cycles[:1]))
    return folder


def _chat(folder):
    from ...runtime.chat import open_chat

    return open_chat(folder)
