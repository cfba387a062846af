"""Datasets of others: what is stated is checked, and the faults of the published pipeline do not happen here."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from molmoact_ros.calibration.store import load  # noqa: E402
from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.errors import ConfigError, InvalidData, MissingPart  # noqa: E402
from molmoact_ros.geometry import project, quaternion_from_rotation, rotation_from_rpy, rotation_vector  # noqa: E402
from molmoact_ros.learning.demonstrations import trace_points  # noqa: E402
from molmoact_ros.learning.lerobot.check import check, summary  # noqa: E402
from molmoact_ros.learning.lerobot.convert import convert  # noqa: E402
from molmoact_ros.learning.lerobot.mapping import load_mapping  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.learning.lerobot.schema import NORM_STATS, Meaning  # noqa: E402
from molmoact_ros.learning.lerobot.tables import data_files, numbers  # noqa: E402
from tests.foreign_dataset import (  # noqa: E402
    CALIBRATION, CAMERA, CLOSES, EPISODES, FPS, LENGTH, MAX_WIDTH_M, OPENS, mapping, pictures, recorded, two_arms,
    write,
)  # fmt: skip


@pytest.fixture
def columns():
    return recorded()


@pytest.fixture
def converted(tmp_path):
    """Return a function that writes a dataset, converts it and returns the new folder, checked."""

    def make(columns, said=None, **how):
        count = len(list(tmp_path.iterdir()))
        ours = convert(write(tmp_path / f"theirs{count}", columns, **how), tmp_path / f"ours{count}", said or mapping())
        assert [wrong for _, wrong in check(ours) if wrong] == []
        return ours

    return make


def refused(tmp_path, columns, said=None, error=InvalidData, **how) -> str:
    """Return why a conversion is refused; nothing is left of it."""
    theirs = tmp_path / f"theirs{len(list(tmp_path.iterdir()))}"
    with pytest.raises(error) as caught:
        convert(write(theirs, columns, **how), tmp_path / "never", said or mapping())
    assert not (tmp_path / "never").exists() and not (tmp_path / "never.partial").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("video", [False, True])
def test_a_dataset_becomes_one_of_ours(columns, converted, version, video):
    records = read_dataset(converted(columns, version=version, video=video))
    assert len(records) == EPISODES * LENGTH and records.instructions == ("fill the cup", "wipe")
    gap = records.image.astype(int) - pictures()
    # A film loses a little, but every picture, of a brightness of its own, stands where it belongs.
    assert np.abs(gap).max() == 0 if not video else np.ptp(gap.mean((1, 2, 3))) < 1.5
    np.testing.assert_allclose(records.state, columns["state"], atol=1e-6)
    np.testing.assert_allclose(records.chunk[3, 0], columns["actions"][3:7], atol=1e-6)
    # At the end of an episode the last row is repeated, and nothing of the next one is in it.
    np.testing.assert_allclose(records.chunk[LENGTH - 1, 0], np.tile(columns["actions"][LENGTH - 1], (4, 1)), atol=1e-6)


def test_pictures_can_be_shrunk(columns, converted):
    assert read_dataset(converted(columns, mapping(image_size=[32, 24]))).image.shape[1:] == (24, 32, 3)


@pytest.mark.parametrize("frame", ["delta_base", "chunk_relative_base"])
@pytest.mark.parametrize("form", ["rpy", "axis_angle", "quaternion_xyzw", "quaternion_wxyz"])
def test_every_frame_and_form_gives_the_same_poses(columns, converted, frame, form):
    spelled = {
        "rpy": lambda R: np.array([np.arctan2(R[2, 1], R[2, 2]), -np.arcsin(R[2, 0]), np.arctan2(R[1, 0], R[0, 0])]),
        "axis_angle": rotation_vector, "quaternion_xyzw": quaternion_from_rotation,
        "quaternion_wxyz": lambda R: quaternion_from_rotation(R)[[3, 0, 1, 2]],
    }[form]  # fmt: skip
    state, wanted = columns["state"], read_dataset(converted(columns))
    goals = columns["actions"][:, None] if frame == "delta_base" else wanted.chunk[:, 0]

    def change(now, goal):
        turn = rotation_from_rpy(goal[3:6]) @ rotation_from_rpy(now[3:6]).T
        return np.concatenate([goal[:3] - now[:3], spelled(turn), goal[6:]])

    given = np.array([[change(now, goal) for goal in rows] for now, rows in zip(state, goals)]).reshape(len(state), -1)
    size = 6 + (len(spelled(np.eye(3))) == 4)
    said = mapping(action_frame=frame, action_rotation=form, action_pose=list(range(size)), action_gripper=[size])
    records = read_dataset(converted({"state": state, "actions": given}, said))
    turns = [[rotation_from_rpy(v) for v in r.chunk[:, 0, 2, 3:6]] for r in (records, wanted)]
    np.testing.assert_allclose(records.chunk[..., :3], wanted.chunk[..., :3], atol=1e-5)
    np.testing.assert_allclose(*turns, atol=1e-5)


def test_traces_are_projected_and_0_to_255_not_pixels(columns, converted):
    records = read_dataset(converted(columns))
    camera = load(CALIBRATION).cameras["front"]
    for row in (0, 7, LENGTH - 1, LENGTH + 5):
        way = columns["state"][row : (row // LENGTH + 1) * LENGTH, :3]
        wanted = trace_points(way, camera.K, camera.T_mount_camera, camera.size)
        np.testing.assert_array_equal(records.trace[row, 0], wanted)
    assert (records.trace_length == 5).all()


def test_stored_pixels_are_converted_and_not_taken_for_0_to_255(columns, converted, tmp_path):
    camera = load(CALIBRATION).cameras["front"]
    share = project(columns["state"][:, :3], camera.K, camera.T_mount_camera) / (np.array(camera.size) - 1)
    wanted = read_dataset(converted(columns)).trace
    units = {"pixels": (639, 479), "percent": (100, 100), "0..255": (255, 255)}
    for unit, ends in units.items():
        said = mapping(calibration="", trace="points", trace_unit=unit)
        ours = converted({**columns, "points": share * ends}, said, size=(640, 480))
        np.testing.assert_array_equal(read_dataset(ours).trace, wanted)
    said = mapping(calibration="", trace="points", trace_unit="0..255")
    why = refused(tmp_path, {**columns, "points": share * (639, 479)}, said, size=(640, 480))
    assert "stated as 0..255; expected at most 255, 255. State another trace_unit" in why


def test_points_that_were_not_found_are_left_out(columns, converted):
    points = np.full((EPISODES * LENGTH, 2), 50.0)
    points[5:9] = np.nan
    points[LENGTH - 3 : LENGTH] = np.nan
    said = mapping(calibration="", trace="points", trace_unit="percent")
    records = read_dataset(converted({**columns, "points": points}, said))
    assert (records.trace_length[LENGTH - 3 : LENGTH] == 0).all() and records.trace_length[6] == 5
    assert set(records.trace[6].ravel().tolist()) == {128}


def test_keypoints_are_where_the_gripper_closes_and_opens(columns, converted):
    records = read_dataset(converted(columns))
    tip = records.points[:, 0, 2]
    for row, handled in ((0, CLOSES), (CLOSES, CLOSES), (20, 20), (OPENS - 1, OPENS - 1)):
        np.testing.assert_array_equal(records.points[row, 0, 0], tip[handled])
        np.testing.assert_array_equal(records.points[row, 0, 1], tip[OPENS])
    assert np.isnan(records.points[OPENS, 0, :2]).all()
    assert records.far[0, 0] and not records.far[CLOSES - 1, 0] and not records.far[OPENS - 1, 0]


def test_an_inverted_gripper_is_found_out_and_a_stated_one_is_turned(columns, converted, tmp_path):
    why = refused(tmp_path, columns, mapping(action_gripper_means="closed_is_1"))
    assert "opens when it is told to close (correlation -1.00 in" in why and "State open_is_1" in why
    inverted = {**columns, "actions": columns["actions"].copy()}
    inverted["actions"][:, 6] = 1 - inverted["actions"][:, 6]
    assert "State closed_is_1, or correct state_gripper_means: width_m" in refused(tmp_path, inverted)
    records = read_dataset(converted(inverted, mapping(action_gripper_means="closed_is_1")))
    np.testing.assert_array_equal(records.chunk[:, 0, 0, 6], columns["actions"][:, 6])


def test_a_commanded_width_and_a_measured_share(columns, converted):
    given = {name: values.copy() for name, values in columns.items()}
    given["actions"][:, 6] *= MAX_WIDTH_M
    given["state"][:, 6] = 1 - given["state"][:, 6] / MAX_WIDTH_M
    said = mapping(action_gripper_means="width_m", state_gripper_means="closed_is_1")
    records = read_dataset(converted(given, said))
    np.testing.assert_allclose(records.chunk[:, 0, 0, 6], columns["actions"][:, 6])
    np.testing.assert_allclose(records.state[:, 6], columns["state"][:, 6], atol=1e-6)


def test_gripper_numbers_outside_of_what_is_stated_are_refused(columns, tmp_path):
    columns["actions"][:, 6] = 2 * columns["actions"][:, 6] - 1
    assert "gripper in 'actions' from -1 to 1, stated as open_is_1; expected 0 to 1" in refused(tmp_path, columns)
    columns["state"][:, 6] *= 1000
    columns["actions"] = recorded()["actions"]
    assert "gripper in 'state' from 30 to 80, stated as width_m" in refused(tmp_path, columns)


def test_a_gripper_that_never_moves_or_is_not_measured_is_said_to_be_unchecked(columns, converted):
    still = {name: values.copy() for name, values in columns.items()}
    still["state"][:, 6], still["actions"][:, 6] = MAX_WIDTH_M, 1.0
    assert summary(converted(still))["notes"] == ["gripper 1: not decidable: it hardly moves"]
    records = read_dataset(converted(columns, mapping(state_gripper=[])))
    np.testing.assert_allclose(records.state[CLOSES + 1, 6], 0.0)


def test_two_arms_have_fourteen_numbers_of_everything(columns, converted):
    pose = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    said = mapping(state_pose=pose, action_pose=pose, state_gripper=[6, 13], action_gripper=[6, 13])
    ours = converted(two_arms(columns), said)
    meaning, norms = Meaning.load(ours), json.loads((ours / NORM_STATS).read_text())
    assert meaning.arms == 2 and meaning.dims == tuple(range(14)) and meaning.grippers == (6, 13)
    assert len(norms[meaning.key]["action"]["q01"]) == 14
    files = data_files(ours)
    assert numbers(files, "reasoning.trace").shape == (EPISODES * LENGTH, 20)
    assert numbers(files, "reasoning.action_bins").shape == (EPISODES * LENGTH, 4 * 14)
    second = numbers(files, "action")[:, 7:]
    np.testing.assert_allclose(second, columns["actions"] * [1, -1, 1, 1, 1, 1, 1], atol=1e-6)
    with pytest.raises(InvalidData, match="a dataset of 2 arms"):
        read_dataset(ours)


@pytest.mark.parametrize("dims", [5, 8, 14])
def test_any_other_dimension_is_kept_when_stated_and_refused_otherwise(columns, converted, tmp_path, dims):
    other = {**columns, "actions": np.random.default_rng(0).normal(0, 1, (EPISODES * LENGTH, dims))}
    why = refused(tmp_path, other)
    assert f"'actions', which has {dims}" in why or f"of {dims} numbers in 'actions'" in why
    ours = converted(other, mapping(action_frame="controller_input", action_gripper=[]))
    meaning = Meaning.load(ours)
    assert meaning.action_dims == len(meaning.dims) == len(meaning.q01) == dims
    np.testing.assert_allclose(read_dataset(ours).chunk[0, 0], other["actions"][:4], rtol=1e-6)


def test_faults_have_names(columns, tmp_path):
    for changes, said in (
        ({"camera": "third_view"}, f"no camera 'third_view' in .*; expected one of {CAMERA}"),
        ({"state": "joints"}, "no column 'joints'; expected one of state, actions"),
        ({"action_gripper": [7]}, "entry 7 of 'actions', which has 7 numbers"),
        ({"action_pose": [0, 1, 2, 3, 4, 4]}, r"entries \[5\] without a meaning"),
        ({"trace": "points", "trace_unit": "pixels", "calibration": ""}, "no column 'points'"),
        ({"depth": "depth"}, "no column 'depth'"),
        ({"calibration_camera": "wrist"}, "a moving camera 'wrist'"),
    ):
        with pytest.raises((InvalidData, ConfigError), match=said):
            theirs = write(tmp_path / str(len(list(tmp_path.iterdir()))), columns)
            convert(theirs, tmp_path / "ours", mapping(**changes))
    columns["actions"][LENGTH + 3, 2] = np.nan
    assert "NaN in 'actions', episode 1, frame 3; expected numbers" in refused(tmp_path, columns)


def test_wrong_units_and_forms_are_found(columns, tmp_path):
    given = {name: values.copy() for name, values in columns.items()}
    given["actions"][:, 3:6] = np.degrees(given["actions"][:, 3:6])
    assert "angles up to 17" in refused(tmp_path, given)
    given["actions"][:, :3] *= 1000
    assert "positions up to 5" in refused(tmp_path, given)
    size = (60, 60)
    assert "a calibration for 320 x 240, pictures of 60 x 60" in refused(tmp_path, columns, size=size)
    shifted = {name: values + [0, 3, 0, 0, 0, 0, 0] for name, values in columns.items()}
    assert "the tip of arm 1 in the picture in 0% of the frames" in refused(tmp_path, shifted)


def test_a_wrong_rate_is_found_and_can_be_corrected(columns, converted, tmp_path):
    assert "15 frames per second by the timestamps, 10 by meta/info.json" in refused(tmp_path, columns, fps=10)
    assert "expected one of them to be the stated 20" in refused(tmp_path, columns, mapping(fps=20), fps=10)
    assert summary(converted(columns, mapping(fps=15), fps=10))["fps"] == 15


def test_rows_out_of_order_are_sorted_and_episodes_out_of_order_named(columns, converted, tmp_path):
    order = np.random.default_rng(0).permutation(EPISODES * LENGTH)
    frame, zeros = np.tile(np.arange(LENGTH), EPISODES)[order], np.zeros(len(order), int)
    episode = np.repeat(np.arange(EPISODES), LENGTH)[order]
    own = {"timestamp": frame / FPS, "frame_index": frame, "episode_index": episode, "task_index": zeros}
    mixed = converted({name: values[order] for name, values in columns.items()}, changes=own)
    np.testing.assert_array_equal(read_dataset(mixed).chunk, read_dataset(converted(columns)).chunk)
    again = np.tile(np.arange(LENGTH), EPISODES)
    again[LENGTH + 5] = 4
    why = refused(tmp_path, columns, changes={"frame_index": again})
    assert "1 of 3 episodes out of order (episode 1: frames 0..39 for 40 rows)" in why
    back = np.tile(np.arange(LENGTH) / FPS, EPISODES)
    back[7] = 0.0
    assert "episode 0: time runs backwards after frame 6" in refused(tmp_path, columns, changes={"timestamp": back})


def test_episodes_whose_frames_alternate_are_named_or_left_out(columns, converted, tmp_path):
    alternating = {name: values.copy() for name, values in columns.items()}
    for values in alternating.values():
        half = values[LENGTH : LENGTH + LENGTH // 2].copy()
        values[LENGTH : 2 * LENGTH : 2], values[LENGTH + 1 : 2 * LENGTH : 2] = half, half + [0.0, 0.1, 0, 0, 0, 0, 0]
    why = refused(tmp_path, alternating)
    assert "1 of 3 episodes out of order (episode 1: the tip jumps to and fro" in why and "skip_faulty_episodes" in why
    ours = converted(alternating, mapping(skip_faulty_episodes=True))
    assert read_dataset(ours).episode.tolist() == [0] * LENGTH + [2] * LENGTH
    assert "episode 1 left out: the tip jumps to and fro" in "".join(summary(ours)["notes"])


def test_a_film_that_is_too_short_or_missing_is_found(columns, tmp_path):
    assert "118 pictures in 'file-000.mp4' for 120 rows" in refused(tmp_path, columns, video=True, drop=2)
    theirs = write(tmp_path / "gone", columns, video=True, version="v2.1")
    (theirs / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    with pytest.raises(MissingPart, match="no video '.*episode_000001.mp4'"):
        convert(theirs, tmp_path / "ours", mapping())


def test_depth_pictures_become_tokens(columns, converted):
    rows = np.linspace(400, 1200, 24)[:, None] * np.ones((24, 32))
    depth = np.tile(rows, (EPISODES * LENGTH, 1, 1))
    records = read_dataset(converted({**columns, "depth": depth}, mapping(depth="depth", depth_every=60)))
    assert records.depth_rows.tolist() == [0, 60] and len(set(records.depth_codes[0].tolist())) > 3
    metres = converted({**columns, "depth": depth / 1000}, mapping(depth="depth", depth_every=60, depth_unit="m"))
    np.testing.assert_array_equal(read_dataset(metres).depth_codes, records.depth_codes)


def test_mappings_are_checked(tmp_path):
    file = tmp_path / "map.yaml"
    start = f"camera: {CAMERA}\naction_frame: absolute_base\naction_gripper_means: open_is_1\n"
    for text, said in (
        ("camera: x\n", "action_frame is not set"),
        (start + "speed: 3\n", "unknown entry of 'map.yaml' 'speed'"),
        (start + "action_frame: sideways\n", "action_frame = 'sideways'"),
        (start + "trace: points\n", "trace_unit none; expected both"),
        (start + "state_rotation: quaternion_xyzw\n", "6 entries in state_pose for 0 arm"),
        (start + "state_pose: []\n", "actions that are absolute_base without state_pose"),
        (start + "action_gripper: []\n", "0 entries in action_gripper for 1 arm"),
        (start + "image_size: [3]\n", "image_size"),
        (start + "calibration: x.yaml\ntrace: t\ntrace_unit: pixels\n", "one source of traces"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=f".*map.yaml.*{said.replace('(', '.').replace('[', '.')}"):
            load_mapping(file)


def test_the_commands(columns, tmp_path, capsys):
    theirs, file = write(tmp_path / "theirs", columns), tmp_path / "map.yaml"
    file.write_text(
        f"camera: {CAMERA}\nstate: state\naction: actions\naction_frame: absolute_base\n"
        f"action_gripper_means: open_is_1\ncalibration: {CALIBRATION}\n"
    )
    assert main(["dataset", "convert", str(theirs), str(tmp_path / "ours"), "--map", str(file)]) == 0
    assert "wrote 120 frames in 3 episodes" in capsys.readouterr().out
    assert main(["dataset", "convert", str(theirs), str(tmp_path / "ours"), "--map", str(file)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main(["dataset", "check", str(tmp_path / "ours")]) == 0
    assert main(["dataset", "check", str(theirs)]) == 1
    assert "molmoact dataset convert" in capsys.readouterr().out
