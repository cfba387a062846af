"""Training, small but whole: demonstrations, depth tokens, a round, a choice, and a checkpoint that the cell can load."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sim]

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.learning.dataset import load_records  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.reasoning.gate import Station, examine, first_refusal  # noqa: E402

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


@pytest.mark.timeout(600)
def test_demonstrations_become_a_lerobot_dataset(smoke, tmp_path, capsys):
    output, _ = smoke
    assert main(["dataset", "export", f"{output}.data", str(tmp_path / "lerobot")]) == 0
    assert main(["dataset", "check", str(tmp_path / "lerobot")]) == 0, capsys.readouterr().out
    records, _ = load_records(f"{output}.data", visits=10**6)
    back = read_dataset(tmp_path / "lerobot")
    for name in ("image", "state", "instruction", "chunk", "points", "depth_codes", "trace_length"):
        np.testing.assert_array_equal(getattr(back, name), getattr(records, name), name)
