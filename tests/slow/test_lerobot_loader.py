"""Our datasets through LeRobot's own loader, and one of LeRobot's own writer through our converter."""

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("pyarrow")

from molmoact_ros.config import build  # noqa: E402
from molmoact_ros.learning.lerobot.check import check  # noqa: E402
from molmoact_ros.learning.lerobot.convert import convert  # noqa: E402
from molmoact_ros.learning.lerobot.mapping import Mapping  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.learning.lerobot.schema import Meaning  # noqa: E402
from molmoact_ros.learning.lerobot.writer import write_dataset  # noqa: E402
from tests.few_records import few_records  # noqa: E402

ROOT = Path(__file__).parents[2]
PINS = ROOT / "tests/slow/lerobot.txt"
MEANING = Meaning(
    "observation.images.front", "absolute_base", 8, (0, 1, 2, 6), (0.25, -0.4, 0.0, 0.0), (0.75, 0.4, 0.5, 1.0), labels=2
)


@pytest.fixture(scope="module")
def lerobot():
    """Run tests/slow/lerobot_process.py in an environment of its own, which is built once and kept."""
    folder = ROOT / ".venv-lerobot"
    python, mark = folder / "bin" / "python", folder / "pins"
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if not mark.is_file() or mark.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        site = next((folder / "lib").glob("python*/site-packages"))
        # torch, numpy and pyarrow are those of the project
        (site / "project.pth").write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", "-r", str(PINS)], check=True)
        mark.write_text(digest)

    def run(*arguments) -> None:
        command = [str(python), str(ROOT / "tests/slow/lerobot_process.py"), *map(str, arguments)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]

    return run


def test_lerobot_reads_what_we_write_and_loses_nothing(lerobot, tmp_path):
    records = few_records()
    write_dataset(records, tmp_path / "ours", MEANING)
    lerobot("read", tmp_path / "ours", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as file:
        found = {key: file[key] for key in file.files}
    n = len(records)
    assert int(found["episodes"]) == 4 and int(found["fps"]) == 5
    pictures = np.moveaxis(found["observation.images.front"], 1, -1) * 255
    np.testing.assert_array_equal(np.rint(pictures), records.image)
    np.testing.assert_array_equal(found["observation.state"], records.state)
    np.testing.assert_array_equal(found["action"], records.chunk[:, 0, 0])
    np.testing.assert_array_equal(found["reasoning.chunk"].reshape(records.chunk[:, 0].shape), records.chunk[:, 0])
    np.testing.assert_array_equal(found["counterfactual.chunk"].reshape(n, 1, 8, 7), records.chunk[:, 1:])
    np.testing.assert_array_equal(found["reasoning.depth_tokens"][records.depth_rows], records.depth_codes)
    np.testing.assert_array_equal(found["reasoning.points"].reshape(n, 3, 2), records.points[:, 0])
    known = records.trace_length[:, 0] > 0
    np.testing.assert_array_equal(found["reasoning.trace"][known].reshape(-1, 5, 2), records.trace[known, 0])
    assert [str(task) for task in found["task"]] == [records.instructions[i] for i in records.instruction[:, 0]]


def test_a_dataset_written_by_lerobot_is_converted(lerobot, tmp_path):
    lerobot("make", tmp_path / "theirs")
    said = {
        "camera": "observation.images.side", "action_frame": "absolute_base", "gripper": "open_is_1",
        "action_gripper": 6, "opening": 6, "calibration": str(ROOT / "calibration/sim_fr3.yaml"), "picture": [64, 48],
    }  # fmt: skip
    ours = convert(tmp_path / "theirs", tmp_path / "ours", build(Mapping, said))
    assert [wrong for _, wrong in check(ours) if wrong] == []
    records = read_dataset(ours)
    assert len(records) == 24 and records.instructions == ("pick up the cup",) and records.episode.max() == 1
    np.testing.assert_allclose(records.chunk[0, 0, :, 0], 0.45 + 0.01 * np.arange(8), atol=1e-6)
