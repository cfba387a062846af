"""The checkpoint gate: what ships passes; every fault is refused in one line, also when its checksums are in order."""

import json
import shutil
from pathlib import Path

import numpy as np
import published_checkpoint as published
import pytest
import torch
from safetensors.torch import load_file, save_file

from molmoact_ros.arms.profile import FR3
from molmoact_ros.cli import main
from molmoact_ros.errors import MolmoActError
from molmoact_ros.perception.raster import resize
from molmoact_ros.reasoning.factory import open_reasoner, pass_gate
from molmoact_ros.reasoning.gate import Station, examine, first_refusal
from molmoact_ros.reasoning.manifest import manifest_path, pin

MODELS = Path(__file__).parents[2] / "models"
STATION = Station(FR3)


GRAPHS = ("decoder.onnx", "vision.onnx", "engine.json")


@pytest.fixture
def shipped(tmp_path):
    shutil.copytree(MODELS / "embedded", tmp_path / "model")
    shutil.copy(MODELS / "embedded.yaml", tmp_path / "model.yaml")
    return tmp_path / "model"


@pytest.fixture
def embedded(shipped):
    """The shipped model without its graphs, so that what a test does to the weights can be run."""
    for name in GRAPHS:
        (shipped / name).unlink()
    pin(shipped)
    return shipped


@pytest.fixture(scope="module")
def published_folder(tmp_path_factory):
    return published.build(tmp_path_factory.mktemp("published") / "model")


def gate(folder):
    """Run the whole gate; return the refusal and the names of the checks that refused."""
    _, checks = pass_gate(folder, STATION, lambda: open_reasoner(folder, resize))
    refusal = first_refusal(checks)
    assert refusal is None or (isinstance(refusal, MolmoActError) and "\n" not in str(refusal))
    return refusal, [check.name for check in checks if check.error is not None]


def change_weights(folder, change) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def change_statistics(folder, change) -> None:
    data = json.loads((folder / "norm_stats.json").read_text())
    change(data["embedded"]["action"])
    (folder / "norm_stats.json").write_text(json.dumps(data))


def edit(folder, old: str, new: str) -> None:
    path = manifest_path(folder)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def zero_action_head(folder):
    tokens = json.loads((folder / "config.json").read_text())["tokens"]
    bins = tokens["bins"]
    change_weights(folder, lambda state: state["lm_head.weight"][-bins:].zero_())


def zero_head(folder):
    change_weights(folder, lambda state: state["lm_head.weight"].zero_())


def millimetres(folder):
    change_statistics(folder, lambda a: a.update(q01=[v * 1000 for v in a["q01"]], q99=[v * 1000 for v in a["q99"]]))


def upside_down(folder):
    change_statistics(folder, lambda a: a.update(q01=a["q99"], q99=a["q01"]))


def not_a_number(folder):
    change_statistics(folder, lambda a: a["q01"].__setitem__(0, float("nan")))


def no_span(folder):
    change_statistics(folder, lambda a: a.update(q99=[v + 1e-6 for v in a["q01"]]))


def truncated(folder):
    published.truncate(folder / "model.safetensors")


class Code:
    """A pickle that would write a file when it is opened carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickle_with_code(folder):
    torch.save({"weights": Code(folder.parent / "code_ran")}, folder / "vae-final.pt")


@pytest.mark.parametrize(
    "spoil, check",
    [
        (zero_action_head, "dead head"),
        (zero_head, "dead head"),
        (millimetres, "statistics"),
        (upside_down, "statistics"),
        (not_a_number, "statistics"),
        (no_span, "statistics"),
        (truncated, "weights"),
        (pickle_with_code, "weights"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_fault_is_refused_by_its_checksum_and_by_itself(embedded, spoil, check):
    spoil(embedded)
    if spoil is not pickle_with_code:
        assert "sha256" in str(gate(embedded)[0])
    pin(embedded)
    refusal, refused = gate(embedded)
    assert refusal is not None and check in refused
    assert not (embedded.parent / "code_ran").exists()


def test_what_ships_passes(shipped):
    assert gate(shipped) == (None, [])


def test_it_passes_without_its_graphs_too(embedded):
    assert gate(embedded) == (None, [])


def test_graphs_of_other_weights_are_refused_although_they_are_pinned(shipped):
    change_weights(shipped, lambda state: state["lm_head.weight"].mul_(1.01))
    pin(shipped)
    refusal, refused = gate(shipped)
    assert refused == ["weights"] and "another checkpoint" in str(refusal) and "model.safetensors" in str(refusal)


def test_a_damaged_graph_is_refused_although_it_is_pinned(shipped):
    published.truncate(shipped / "decoder.onnx")
    pin(shipped)
    refusal, refused = gate(shipped)
    assert refused == ["weights"] and "decoder.onnx" in str(refusal)


@pytest.mark.parametrize(
    "old, new, check, words",
    [
        ("arms: 1", "arms: 2", "manifest", "14|7 for each"),
        ("cameras: [front]", "cameras: [overhead]", "cameras", "overhead"),
        ("unnorm_key: embedded", "unnorm_key: another", "statistics", "another"),
        ("license: Apache-2.0", "license: Apache-2.0\nunverified: [gripper]", "manifest", "gripper"),
        ("norm_stats: norm_stats.json", "norm_stats: nowhere.json", "files", "nowhere"),
        ("layout: embedded", "layout: molmoact_v1", "manifest", "embedded"),
        ("action_frame: absolute_base", "action_frame: controller_input", "statistics", "controller_input"),
    ],
)
def test_wrong_statements_are_refused(embedded, old, new, check, words):
    edit(embedded, old, new)
    refusal, refused = gate(embedded)
    assert check in refused and any(word in str(refusal) for word in words.split("|")), refusal


def test_missing_parts_are_named(embedded):
    (embedded / "extra.json").write_text("{}")
    assert "extra.json" in str(gate(embedded)[0])
    (embedded / "extra.json").unlink()
    (embedded / "config.json").unlink()
    assert "config.json" in str(gate(embedded)[0])
    shutil.rmtree(embedded)
    assert "no folder" in str(gate(embedded)[0])
    manifest_path(embedded).unlink()
    refusal, refused = gate(embedded)
    assert "no manifest" in str(refusal) and refused == ["manifest"]


def test_a_published_checkpoint_passes_until_it_is_asked(published_folder):
    """Random weights: everything that can be seen is in order, but it answers nothing that can be read."""
    manifest, checks = examine(published_folder, STATION)
    assert first_refusal(checks) is None and manifest.dims == 7
    assert [check.name for check in checks if check.passed][-1] == "tokenizer"


@pytest.mark.parametrize("arms, horizon", [(2, 1), (1, 8)])
def test_arms_and_rows_of_a_published_checkpoint(tmp_path, arms, horizon):
    folder = published.build(tmp_path / "model", arms=arms, horizon=horizon)
    assert first_refusal(examine(folder, Station(FR3, arms))[1]) is None
    refused = [check.name for check in examine(folder, Station(FR3, 3 - arms))[1] if check.error is not None]
    assert "arm" in refused


def test_faults_of_a_published_checkpoint(published_folder, tmp_path):
    def spoiled(name, spoil):
        folder = published.clone(published_folder, tmp_path / name)
        spoil(folder)
        pin(folder)
        _, checks = examine(folder, STATION)
        return {check.name: str(check.error) for check in checks if check.error is not None}

    key = "model.transformer.ln_f.weight"
    assert "weights" in spoiled("short", lambda f: published.truncate(f / published.LANGUAGE))
    assert (
        key
        in spoiled("gone", lambda f: published.change_tensors(f, published.LANGUAGE, lambda t: t.pop(key)))["weights"]
    )
    assert "norm_stats" in spoiled("stats", lambda f: published.change_config(f, norm_stats=...))["statistics"]
    assert "tokenizer" in spoiled("words", lambda f: (f / "merges.txt").unlink())


def test_doctor_prints_a_table_and_writes_a_report(embedded, capsys):
    report = embedded.parent / "report.json"
    assert main(["doctor", str(embedded), "--json", str(report)]) == 0
    assert "may be armed" in capsys.readouterr().out
    assert json.loads(report.read_text())["summary"] == {"checks": 7, "failed": 0, "first_failure": None}
    zero_action_head(embedded)
    assert main(["doctor", str(embedded)]) == 1
    assert main(["doctor", str(embedded), "--pin", "--json", str(report)]) == 1
    summary = json.loads(report.read_text())["summary"]
    assert summary["failed"] == 1 and summary["first_failure"].startswith("dead head")
    assert "REFUSED" in capsys.readouterr().out


def test_rows_open_the_gripper_in_either_convention(published_folder, tmp_path):
    manifest, _ = examine(published_folder, STATION)
    bins = np.array([[0, 127, 254, 0, 127, 254, 254], [0, 0, 0, 0, 0, 0, 127]])
    rows = manifest.rows(bins)
    assert rows[0, 6] == pytest.approx(0.996, abs=1e-3) and rows[1, 6] == 0.0
    assert rows[0, 0] == pytest.approx(published.LOW[0], abs=2e-4)
    other = published.clone(published_folder, tmp_path / "closed")
    edit(other, "gripper: open_is_1", "gripper: closed_is_1")
    closed = examine(other, STATION)[0].rows(bins)
    np.testing.assert_allclose(closed[:, 6], 1 - rows[:, 6])
    np.testing.assert_array_equal(closed[:, :6], rows[:, :6])
