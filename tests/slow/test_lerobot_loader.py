"""Our datasets through LeRobot's own loader, and one of LeRobot's own writer through our converter."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import fields
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
from molmoact_ros.learning.lerobot.schema import CAMERA, MEANING, NORM_STATS  # noqa: E402
from molmoact_ros.learning.lerobot.writer import write_dataset  # noqa: E402
from tests.few_records import few_records  # noqa: E402

ROOT = Path(__file__).parents[2]
PINS = ROOT / "tests/slow/lerobot.txt"


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
    write_dataset(records, tmp_path / "ours")
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


def test_what_lerobot_read_and_wrote_again_is_the_same_to_us(lerobot, tmp_path):
    ours, again = write_dataset(few_records(labels=3), tmp_path / "ours"), tmp_path / "again"
    lerobot("copy", ours, again)
    # The two files that LeRobot does not know.
    for name in (MEANING, NORM_STATS):
        shutil.copyfile(ours / name, again / name)
    before, after = read_dataset(ours), read_dataset(again)
    for field in fields(before):
        np.testing.assert_array_equal(getattr(before, field.name), getattr(after, field.name), field.name)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_dataset_written_by_lerobot_is_converted(lerobot, tmp_path, kind):
    lerobot("make", tmp_path / "theirs", kind)
    said = {
        "camera": "observation.images.side", "action_frame": "absolute_base", "action_gripper_means": "open_is_1",
        "calibration": str(ROOT / "calibration/sim_fr3.yaml"),
    }  # fmt: skip
    ours = convert(tmp_path / "theirs", tmp_path / "ours", build(Mapping, said))
    assert [wrong for _, wrong in check(ours) if wrong] == []
    records = read_dataset(ours)
    assert len(records) == 24 and records.instructions == ("pick up the cup",) and records.episode.max() == 1
    np.testing.assert_allclose(records.chunk[0, 0, :, 0], 0.45 + 0.01 * np.arange(8), atol=1e-6)
    wanted = 20 + 100 * np.repeat([0, 1], 12) + 8 * np.tile(np.arange(12), 2)
    np.testing.assert_allclose(records.image.mean((1, 2, 3)), wanted, atol=3 if kind == "video" else 0)
    lerobot("read", ours, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as file:
        np.testing.assert_array_equal(np.rint(np.moveaxis(file[CAMERA], 1, -1) * 255), records.image)
