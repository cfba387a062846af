"""`molmoact export` from start to end: graphs beside the weights, engines for GPUs that are not here, and refusals."""

import json

import networks
import pytest

from molmoact_ros.cli import main
from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.reasoning.manifest import load_manifest
from molmoact_ros.runtime import engine_manifest
from molmoact_ros.runtime.examination import examine_weights
from molmoact_ros.runtime.factory import choose_backend, engine_folders, open_runtime, source_files

RTX = ["--backend", "tensorrt-rtx"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return networks.embedded(tmp_path_factory.mktemp("export") / "model")


@pytest.fixture(scope="module")
def legal(folder):
    return networks.form_of(folder).grammar.legal


def export(folder, *options) -> int:
    return main(["export", str(folder), *options])


@pytest.mark.parametrize("form", ["compat", "native"])
def test_graphs_are_written_compared_and_pinned(folder, legal, form, capsys):
    assert export(folder, "--backend", "onnx", "--form", form) == 0
    assert "tokens_equal 1" in capsys.readouterr().out
    made = engine_manifest.read(folder)
    assert made.form == form and made.parity["tokens_equal"] and made.parity["max_logit_error"] < 1e-3
    pins = load_manifest(folder).files
    assert {"decoder.onnx", "vision.onnx", "engine.json"} <= set(pins)
    assert choose_backend(folder, "auto", "cpu") == "onnx"
    assert open_runtime(folder, legal, "auto", device="cpu").name == "onnx"
    # the weights are the checkpoint's own, stored once
    assert sum((folder / name).stat().st_size for name in made.files) < 200_000


SLOW = [pytest.param(c, marks=pytest.mark.slow) for c in ("8.6", "12.0")]


@pytest.mark.parametrize("capability", ["8.9", *SLOW])
def test_engines_are_compiled_for_a_gpu_that_is_not_here(folder, legal, capability, capsys):
    assert export(folder, *RTX, "--compute-capability", capability) == 0
    assert "takes such a GPU" in capsys.readouterr().out
    made = next(f for f in engine_folders(folder, "tensorrt_rtx") if f"sm{capability.replace('.', '')}" in f.name)
    manifest = engine_manifest.read(made)
    assert manifest.compute_capability == capability and manifest.precision == "fp16"
    assert (made / "decoder.plan").stat().st_size > 1e6 and (made / "vision.plan").stat().st_size > 1e6
    # and nobody here runs it
    with pytest.raises(MissingPart, match="no CUDA device"):
        open_runtime(folder, legal, "tensorrt_rtx")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int4", "fp8", "bf16"])
def test_engines_of_fewer_bits(folder, precision):
    assert export(folder, *RTX, "--compute-capability", "8.9", "--precision", precision) == 0
    assert (folder / f"tensorrt_rtx-sm89-{precision}" / "decoder.plan").stat().st_size > 1e6


@pytest.mark.parametrize(
    "options, said",
    [
        ([*RTX], "nvidia-smi"),
        ([*RTX, "--compute-capability", "8.7"], "on the Jetson itself"),
        ([*RTX, "--compute-capability", "8.6", "--precision", "fp8"], "at least 8.9"),
        (["--backend", "tensorrt", "--compute-capability", "8.7"], "JetPack"),
        (["--backend", "onnx", "--precision", "int4"], "fp32 on the CPU"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(folder, options, said, capsys):
    before = sorted(folder.iterdir())
    assert export(folder, *options) == 1
    line = capsys.readouterr().err.strip()
    assert said in line and "\n" not in line
    assert sorted(folder.iterdir()) == before


def test_a_checkpoint_that_is_not_the_pinned_one_is_not_exported(folder, capsys):
    path = folder / "config.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept)))
    try:
        assert export(folder, "--backend", "onnx") == 1
    finally:
        path.write_text(kept)
    assert "sha256" in capsys.readouterr().err


def test_graphs_without_scores_that_an_answer_needs_are_refused(tmp_path):
    folder = networks.published_small(tmp_path / "model")
    grammar = networks.form_of(folder).grammar
    networks.add_graphs(folder, grammar.legal[::2], "native")
    with pytest.raises(InvalidData, match="without scores"):
        open_runtime(folder, grammar.legal, "onnx")


def test_a_backend_that_is_not_there_is_named(folder, legal, monkeypatch):
    with pytest.raises(InvalidData, match="one of auto, torch, onnx"):
        choose_backend(folder, "abacus")
    with pytest.raises(MissingPart, match="molmoact export"):
        open_runtime(folder, legal, "tensorrt")


def test_the_gate_knows_engines_of_these_weights_without_torch(folder):
    (folder / "tensorrt_rtx-sm89-test").mkdir(exist_ok=True)
    manifest = engine_manifest.EngineManifest(
        "tensorrt_rtx", "native", "fp16", "8.9", {}, source_files(folder), {"decoder.plan": "0" * 64}, 224
    )
    manifest.write(folder / "tensorrt_rtx-sm89-test")
    size = load_manifest(folder).image_size
    assert "sm89-test" in examine_weights(folder, size, "tensorrt_rtx")
    with pytest.raises(MissingPart, match="no tensorrt engine"):
        examine_weights(folder, size, "tensorrt")
