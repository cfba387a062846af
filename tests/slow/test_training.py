"""Training, small but whole: demonstrations, depth codes, two stages, and a checkpoint that the cell can load."""

import re

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sim]

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.model.loading import load_network  # noqa: E402
from molmoact_ros.reasoning.gate import Station, examine, first_refusal  # noqa: E402


@pytest.mark.timeout(600)
def test_a_short_training_learns_to_point_and_can_be_loaded(tmp_path, capsys):
    options = ["--episodes", "20", "--snapshots", "200", "--depth-frames", "60", "--minutes", "2", "--processes", "2"]
    folders = ["--output", str(tmp_path / "model"), "--data", str(tmp_path / "data")]
    assert main(["train", "embedded", *folders, *options]) == 0
    said = capsys.readouterr().out
    distances = [float(d) for d in re.findall(r"point (\d+\.\d+)", said)]
    assert len(distances) >= 2 and distances[-1] < 0.5 * distances[0], distances
    # The second stage says its depth codes too; a last line over very few batches may hold none.
    assert re.search(r"^step .* depth \d", said, re.MULTILINE)
    load_network(tmp_path / "model")
    _, checks = examine(tmp_path / "model", Station(FR3))
    assert first_refusal(checks) is None and len(checks) > 5
    # It comes exported, and the cell runs the graphs.
    assert (tmp_path / "model" / "decoder.onnx").is_file() and "exported to" in said
    # A second run finds the demonstrations made.
    assert len(list((tmp_path / "data").glob("*.npz"))) == 2
