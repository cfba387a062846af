"""Datasets of others: what is stated is checked, and the faults of the published pipeline do not happen here."""

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from molmoact_ros.calibration.store import load  # noqa: E402
from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.config import build  # noqa: E402
from molmoact_ros.errors import ConfigError, InvalidData  # noqa: E402
from molmoact_ros.geometry import project  # noqa: E402
from molmoact_ros.learning.lerobot.check import check  # noqa: E402
from molmoact_ros.learning.lerobot.convert import convert  # noqa: E402
from molmoact_ros.learning.lerobot.mapping import Mapping, load_mapping  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.learning.lerobot.schema import Meaning  # noqa: E402
from tests.foreign_dataset import CAMERA, FPS, LENGTH, made, write  # noqa: E402

CALIBRATION = "calibration/sim_fr3.yaml"


def mapping(**changes) -> Mapping:
    said = {
        "camera": CAMERA, "action_frame": "absolute_base", "gripper": "open_is_1", "action_gripper": 6, "opening": 6,
        "calibration": CALIBRATION, **changes,
    }  # fmt: skip
    return build(Mapping, said)


@pytest.fixture
def columns():
    return made()


def test_a_dataset_of_others_becomes_one_of_ours(columns, tmp_path):
    source = write(tmp_path / "theirs", columns)
    ours = convert(source, tmp_path / "ours", mapping())
    assert [wrong for _, wrong in check(ours) if wrong] == []
    records = read_dataset(ours)
    assert len(records) == 2 * LENGTH and records.instructions == ("pick up the cup",)
    np.testing.assert_allclose(records.chunk[0, 0, :, :3], columns["action"][:8, :3], atol=1e-6)
    # At the end of an episode the last row is repeated, and nothing of the next one is in it.
    np.testing.assert_allclose(records.chunk[LENGTH - 1, 0], np.tile(columns["action"][LENGTH - 1], (8, 1)), atol=1e-6)


def test_traces_are_0_to_255_of_the_picture_not_pixels(columns, tmp_path):
    source = write(tmp_path / "theirs", columns)
    records = read_dataset(convert(source, tmp_path / "ours", mapping()))
    camera = load(CALIBRATION).cameras["front"]
    pixels = project(columns["observation.state"][:LENGTH, :3], camera.K, camera.T_mount_camera)
    wanted = np.clip(np.rint(pixels / (np.array(camera.size) - 1) * 255), 0, 255)
    np.testing.assert_array_equal(records.trace[0, 0, [0, -1]], wanted[[0, -1]])
    # Points in pixels of a 640 x 480 picture, without calibration.
    stated = mapping(calibration="", trace="track", trace_unit="pixels")
    records = read_dataset(convert(source, tmp_path / "tracked", stated))
    np.testing.assert_array_equal(records.trace[0, 0, 0], np.rint(columns["track"][0] / [639, 479] * 255))
    with pytest.raises(InvalidData, match="declared as 0..255"):
        convert(source, tmp_path / "wrong", mapping(calibration="", trace="track", trace_unit="0..255"))
    assert not (tmp_path / "wrong").exists()


def test_keypoints_are_where_the_gripper_closes(columns, tmp_path):
    records = read_dataset(convert(write(tmp_path / "theirs", columns), tmp_path / "ours", mapping()))
    closing = int(np.argmax(columns["action"][:LENGTH, 6] < 0.5))
    np.testing.assert_allclose(records.points[0, 0, 0], records.points[closing, 0, 2], atol=1e-6)
    assert np.isnan(records.points[0, 0, 1]).all()


def test_an_inverted_gripper_is_found_out_and_a_stated_one_is_turned(columns, tmp_path):
    source = write(tmp_path / "theirs", columns)
    with pytest.raises(InvalidData, match=r"closes when the actions open it \(correlation -.*Say gripper: open_is_1"):
        convert(source, tmp_path / "ours", mapping(gripper="closed_is_1"))
    columns["action"][:, 6] = 1 - columns["action"][:, 6]
    turned = write(tmp_path / "turned", columns)
    with pytest.raises(InvalidData, match="Say gripper: closed_is_1"):
        convert(turned, tmp_path / "ours", mapping())
    records = read_dataset(convert(turned, tmp_path / "ours", mapping(gripper="closed_is_1")))
    np.testing.assert_allclose(records.chunk[:, 0, 0, 6], 1 - columns["action"][:, 6])


@pytest.mark.parametrize("dims", [5, 8, 14])
def test_any_number_of_dimensions(dims, tmp_path):
    source = write(tmp_path / "theirs", made(action_dims=dims))
    stated = mapping(action_gripper=-1, action_frame="controller_input")
    ours = convert(source, tmp_path / "ours", stated)
    assert [wrong for _, wrong in check(ours) if wrong] == []
    meaning = Meaning.load(ours)
    assert len(meaning.dims) == len(meaning.q01) == dims
    assert read_dataset(ours).chunk.shape[2:] == (8, dims)


def test_faults_have_names(columns, tmp_path):
    source = write(tmp_path / "theirs", columns)
    for changes, said in (
        ({"camera": "observation.images.top"}, f"no camera 'observation.images.top'.*one of {CAMERA}"),
        ({"state": "state"}, "no column 'state'"),
        ({"action_gripper": 7}, "entry 7 of 'action', which has 7 dimensions"),
        ({"calibrated_camera": "side"}, "no camera 'side'"),
    ):
        with pytest.raises(InvalidData, match=said):
            convert(source, tmp_path / "ours", mapping(**changes))
    columns["action"][15, 2] = np.nan
    with pytest.raises(InvalidData, match="NaN in 'action', episode 1, frame 3"):
        convert(write(tmp_path / "nan", columns), tmp_path / "ours", mapping())
    assert not (tmp_path / "ours").exists()


def test_a_wrong_rate_and_mixed_up_frames_are_found(columns, tmp_path):
    with pytest.raises(InvalidData, match="10.0 frames per second in episode 0, 20"):
        convert(write(tmp_path / "rate", columns, fps=2 * FPS), tmp_path / "ours", mapping())
    mixed = {"episode_index": np.tile([0, 1], LENGTH)}
    with pytest.raises(InvalidData, match="frames of episode 0 between those of others"):
        convert(write(tmp_path / "mixed", columns, faults=mixed), tmp_path / "ours", mapping())
    back = {"timestamp": np.tile(np.arange(LENGTH)[::-1] / FPS, 2)}
    with pytest.raises(InvalidData, match="time runs backwards"):
        convert(write(tmp_path / "back", columns, faults=back), tmp_path / "ours", mapping())


def test_the_command_and_its_file(columns, tmp_path, capsys):
    source = write(tmp_path / "theirs", columns)
    file = tmp_path / "map.yaml"
    file.write_text(
        f"camera: {CAMERA}\naction_frame: absolute_base\ngripper: open_is_1\naction_gripper: 6\nopening: 6\n"
        f"calibration: {CALIBRATION}\n"
    )
    assert main(["dataset", "convert", str(source), str(tmp_path / "ours"), "--map", str(file)]) == 0
    assert main(["dataset", "check", str(tmp_path / "ours")]) == 0
    assert main(["dataset", "info", str(tmp_path / "ours"), "--json", str(tmp_path / "info.json")]) == 0
    assert "total_frames       24" in capsys.readouterr().out
    file.write_text("camera: x\naction_frame: absolute_base\ngripper: open_is_1\ntrace: track\n")
    with pytest.raises(ConfigError, match="trace_unit"):
        load_mapping(file)
    assert main(["dataset", "check", str(source)]) == 1
