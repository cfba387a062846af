"""The manifests in models/: each can be read, the published ones are refused until somebody has checked, and
docs/models.md names all that can be stated, checked and shipped."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from molmoact_ros.arms.profile import FR3
from molmoact_ros.reasoning.gate import Station, examine, first_refusal
from molmoact_ros.reasoning.manifest import EMBEDDED, PUBLISHED, Statements, load_manifest
from molmoact_ros.reasoning.prompts import TEMPLATES

ROOT = Path(__file__).resolve().parents[3]
PATHS = sorted((ROOT / "models").glob("*.yaml"))
SHIPPED = [path for path in PATHS if load_manifest(path).states.source.startswith("allenai/")]
LIBERO = [path for path in SHIPPED if "libero" in path.name]
PAGE = (ROOT / "docs" / "models.md").read_text()
STATION = Station(FR3)


def by_name(checks) -> dict:
    return {check.name: check for check in checks}


@pytest.fixture
def examined():
    """The gate without weights; it reads their headers with torch."""
    pytest.importorskip("torch")
    return lambda path: by_name(examine(path, STATION)[1])


def without_folder(path: Path, tmp_path: Path, unverified: str | None = None) -> Path:
    """Copy a manifest to where its weights are not; `unverified` replaces that list."""
    lines = path.read_text().splitlines()
    if unverified is not None:
        lines = [f"unverified: {unverified}" if line.startswith("unverified:") else line for line in lines]
    (tmp_path / path.name).write_text("\n".join(lines) + "\n")
    return tmp_path / path.name


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_manifest_can_be_read(path):
    manifest = load_manifest(path)
    assert manifest.states.name and manifest.states.license
    assert manifest.states.layout in (EMBEDDED, PUBLISHED)


def test_all_published_checkpoints_are_there():
    models = ["7b-d", "7b-d-pretrain", "7b-d-pretrain-rt-1", "7b-o"]
    models += [f"7b-d-libero-{suite}" for suite in ("spatial", "object", "goal", "long")]
    assert [path.stem for path in SHIPPED] == sorted(f"molmoact-{model}-0812" for model in models)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_published_checkpoints_state_what_their_name_says(path):
    states = load_manifest(path).states
    assert states.layout == PUBLISHED and states.dtype == "bfloat16"
    assert states.name == path.stem == states.source.removeprefix("allenai/").lower()
    one_view, chunk = "pretrain" in path.name, path in LIBERO
    assert states.cameras == (("front",) if one_view else ("front", "wrist"))
    assert states.horizon == (8 if chunk else 1)
    assert {"revision", "unnorm_key", "control_rate_hz", "action_frame"} <= set(states.unverified)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_published_checkpoints_are_refused_until_somebody_has_checked(path, tmp_path, examined):
    checks = examined(without_folder(path, tmp_path))
    assert "as unverified" in checks["manifest"].detail and not checks["manifest"].passed
    assert "no folder" in checks["files"].detail and "docs/models.md" in checks["files"].detail
    assert all("\n" not in check.detail for check in checks.values())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_published_checkpoints_are_refused_without_their_files(path, tmp_path, examined):
    checks = examined(without_folder(path, tmp_path, unverified="[]"))
    assert checks["manifest"].passed and checks["cameras"].passed
    assert not any(checks[name].passed for name in ("files", "arm", "statistics", "weights", "tokenizer"))


@pytest.mark.parametrize("path", LIBERO, ids=lambda path: path.stem)
@pytest.mark.parametrize("frame, why", [("controller_input", "metres and radians"), ("delta_base", "18.7 m/s")])
def test_controller_inputs_are_no_metres(path, frame, why, tmp_path, examined):
    """LIBERO's actions fill -1..1: refused as what they are, and as metres at 20 Hz no arm could follow them."""
    copied = without_folder(path, tmp_path, unverified="[]")
    copied.write_text(copied.read_text().replace("action_frame: controller_input", f"action_frame: {frame}"))
    bounds = {"q01": [-0.75, -0.66, -0.94, -0.11, -0.21, -0.18, 0.0], "q99": [0.94, 0.88, 0.93, 0.1, 0.18, 0.15, 1.0]}
    copied.with_suffix("").mkdir()
    stats = {"norm_stats": {load_manifest(path).states.unnorm_key: {"action": bounds}}}
    (copied.with_suffix("") / "config.json").write_text(json.dumps(stats))
    check = examined(copied)["statistics"]
    assert not check.passed and why in check.detail


def test_the_embedded_checkpoint_passes(examined):
    checks = examined(ROOT / "models" / "embedded.yaml")
    assert first_refusal(checks.values()) is None and all(check.passed for check in checks.values())


@pytest.mark.parametrize("name", [*(f.name for f in fields(Statements)), "files", EMBEDDED, "notes", "training"])
def test_the_page_names_every_entry_of_a_manifest(name):
    assert f"| `{name}` |" in PAGE


def test_the_page_names_every_model_check_and_template(tmp_path):
    checks = [check.name for check in examine(tmp_path / "none", STATION)[1]]
    for name in [*checks, "dead head"]:
        assert f"| {name} |" in PAGE
    for name in [*(path.stem for path in PATHS), *TEMPLATES]:
        assert f"`{name}`" in PAGE
