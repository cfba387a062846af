"""Training, small but whole: demonstrations, depth tokens, a round, a choice, and a checkpoint that the cell can load."""

import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sim]

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.learning.dataset import load_records  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.reasoning.gate import Station, examine, first_refusal  # noqa: E402

TINY = """
name: tiny
episodes: 4
snapshots: 60
steps: 40
batch: 8
depth_start: 0.3
rounds_at: [0.5]
visits: 2
threads: 2
log_every: 5
save_every: 4
evaluate_every: 0
evaluate_episodes: 2
"""


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The preset `smoke`, from nothing to an evaluated checkpoint."""
    output = tmp_path_factory.mktemp("smoke") / "model"
    command = [sys.executable, "-m", "molmoact_ros.cli", "train", "embedded", "--preset", "smoke", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return output, done.stdout


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


def _command(folder, *more):
    recipe = folder.parent / "tiny.yaml"
    recipe.write_text(TINY)
    arguments = ["--config", str(recipe), "--output", str(folder), "--data", str(folder.parent / "data"), *more]
    return [sys.executable, "-m", "molmoact_ros.cli", "train", "embedded", *arguments]


def _digest(folder) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.timeout(900)
def test_interrupted_anywhere_and_resumed_it_ends_the_same(tmp_path):
    subprocess.run(_command(tmp_path / "whole"), check=True, capture_output=True, timeout=400)
    # What the model visited belongs to the run, the demonstrations to the folder.
    for file in (tmp_path / "data").glob("visits-*"):
        file.unlink()
    process = subprocess.Popen(_command(tmp_path / "parts"), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step "):
            break
    time.sleep(random.uniform(0.0, 8.0))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    if process.returncode != 0:
        subprocess.run(_command(tmp_path / "parts", "--resume"), check=True, capture_output=True, timeout=400)
    assert _digest(tmp_path / "parts") == _digest(tmp_path / "whole")


@pytest.mark.timeout(600)
def test_demonstrations_become_a_lerobot_dataset_and_a_training_on_it(smoke, tmp_path, capsys):
    output, _ = smoke
    assert main(["dataset", "export", f"{output}.data", str(tmp_path / "lerobot")]) == 0
    assert main(["dataset", "check", str(tmp_path / "lerobot")]) == 0, capsys.readouterr().out
    records, _ = load_records(f"{output}.data", visits=10**6)
    back = read_dataset(tmp_path / "lerobot")
    for name in ("image", "state", "instruction", "chunk", "points", "depth_codes", "trace_length"):
        np.testing.assert_array_equal(getattr(back, name), getattr(records, name), name)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"name: mine\ndataset: {tmp_path / 'lerobot'}\nstart: {output}\nsteps: 12\nbatch: 8\ndepth_start: 0.0\n"
        "rounds_at: []\nevaluate_every: 0\nevaluate_episodes: 0\nlog_every: 6\n"
    )
    assert main(["train", "embedded", "--config", str(recipe), "--output", str(tmp_path / "mine")]) == 0
    _, checks = examine(tmp_path / "mine", Station(FR3))
    assert first_refusal(checks) is None
