"""Training, small but whole: demonstrations, depth tokens, a round, a choice, and a checkpoint that the cell can load."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sim]

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.learning.dataset import load_records  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.reasoning.gate import Station, examine, first_refusal  # noqa: E402


WITHIN_S = 480.0


def _train(output, *more) -> subprocess.Popen:
    command = [sys.executable, "-m", "molmoact_ros.cli", "train", "embedded", "--output", str(output), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The preset `smoke`, from nothing to an evaluated checkpoint."""
    output, began_s = tmp_path_factory.mktemp("smoke") / "model", time.monotonic()
    training = _train(output, "--preset", "smoke")
    said, _ = training.communicate(timeout=900)
    assert training.returncode == 0, said[-3000:]
    assert time.monotonic() - began_s < WITHIN_S
    return output, said


@pytest.mark.timeout(900)
def test_smoke_learns_and_makes_a_checkpoint_that_passes_the_gate(smoke):
    output, said = smoke
    distances = [float(d) for d in re.findall(r"point (\d+\.\d+)", said)]
    assert len(distances) >= 4 and distances[-1] < 0.6 * distances[0], distances
    assert re.search(r"^step .* depth \d", said, re.MULTILINE)
    choices = json.loads((output.with_name("model.run") / "choices.json").read_text())
    assert [c["step"] for c in choices] == [240, 400]
    assert all(np.isfinite(c["trace_error"]) and 0 <= c["success_rate"] <= 1 for c in choices)
    _, checks = examine(output, Station(FR3))
    assert first_refusal(checks) is None and len(checks) > 5
    assert (output / "decoder.onnx").is_file()


@pytest.mark.timeout(600)
def test_demonstrations_become_a_lerobot_dataset(smoke, tmp_path, capsys):
    output, _ = smoke
    assert main(["dataset", "export", f"{output}.data", str(tmp_path / "lerobot")]) == 0
    assert main(["dataset", "check", str(tmp_path / "lerobot")]) == 0, capsys.readouterr().out
    records, _ = load_records(f"{output}.data", visits=10**6)
    back = read_dataset(tmp_path / "lerobot")
    for name in ("image", "state", "instruction", "chunk", "points", "depth_codes", "trace_length"):
        np.testing.assert_array_equal(getattr(back, name), getattr(records, name), name)


@pytest.mark.timeout(1200)
def test_interrupted_anywhere_it_ends_with_the_same_weights(smoke, tmp_path):
    output, _ = smoke
    again, data = tmp_path / "model", tmp_path / "data"
    data.mkdir()
    for shard in Path(f"{output}.data").glob("*.npz"):
        if not shard.name.startswith("visits"):
            shutil.copy(shard, data)
    recipe = ("--preset", "smoke", "--data", str(data))
    stop_at, training = f"step {50 * random.randrange(1, 8)} of", _train(again, *recipe)
    for line in training.stdout:
        if line.startswith(stop_at):
            time.sleep(random.uniform(0.0, 2.0))
            training.send_signal(signal.SIGINT)
            break
    rest, _ = training.communicate(timeout=240)
    assert training.returncode == 130, f"interrupted at {stop_at}: {rest[-2000:]}"
    training = _train(again, *recipe, "--resume")
    said, _ = training.communicate(timeout=600)
    assert training.returncode == 0, said[-3000:]
    same = (again / "model.safetensors").read_bytes() == (output / "model.safetensors").read_bytes()
    assert same, f"interrupted at {stop_at}"


@pytest.mark.timeout(600)
def test_a_dataset_teaches_a_model_that_begins_with_another(smoke, tmp_path):
    output, _ = smoke
    assert main(["dataset", "export", f"{output}.data", str(tmp_path / "lerobot")]) == 0
    recipe = tmp_path / "mine.yaml"
    lines = {
        "name": "mine", "dataset": str(tmp_path / "lerobot"), "start": str(output), "steps": 20, "batch": 8,
        "depth_start": 0.0, "rounds_at": [], "evaluate_every": 0, "evaluate_episodes": 0, "log_every": 10,
    }  # fmt: skip
    recipe.write_text(json.dumps(lines))
    training = _train(tmp_path / "mine", "--config", str(recipe))
    said, _ = training.communicate(timeout=300)
    assert training.returncode == 0, said[-3000:]
    # a model that begins with another one points well from the start
    assert float(re.findall(r"point (\d+\.\d+)", said)[0]) < 0.2
    _, checks = examine(tmp_path / "mine", Station(FR3))
    assert first_refusal(checks) is None, checks


@pytest.mark.timeout(900)
def test_variants_are_trained_and_compared_by_one_command(smoke, tmp_path):
    output, _ = smoke
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "{name: small, episodes: 20, snapshots: 1000, steps: 10, batch: 4, depth_start: 0.0, rounds_at: [],"
        " evaluate_every: 0, evaluate_episodes: 0}"
    )
    names = ["whole", "action_alone", "vit", "chunk_relative"]
    command = ["ablation", "--config", str(recipe), "--data", f"{output}.data", "--output", str(tmp_path / "out")]
    assert main([*command, "--episodes", "2", "--only", ",".join(names)]) == 0
    report = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [c["variant"] for c in report["cases"]] == [n for n in names for _ in range(2)]
    assert len((tmp_path / "out" / "ablation.md").read_text().splitlines()) == 2 + len(names)
