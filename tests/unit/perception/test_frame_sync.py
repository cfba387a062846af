"""Pairing by stamp: order, duplicates, lost streams, clocks that go back."""

import numpy as np
import pytest

from molmoact_ros.config import build
from molmoact_ros.geometry import rotation_from_rpy, transform
from molmoact_ros.perception.config import PerceptionConfig
from molmoact_ros.perception.frame_sync import IMAGES_KEPT, STATES_KEPT, FrameSync, View
from molmoact_ros.types import RobotState

MS = 1_000_000
IMAGE, DEPTH = np.zeros((4, 5, 3), np.uint8), np.ones((4, 5), np.float32)


@pytest.fixture
def sync():
    config = build(PerceptionConfig, {"calibration": "-", "depth_model": "-"})
    return FrameSync(config, View(np.eye(3), np.eye(4)))


def state(ms: float, q: float = 0.0, yaw: float = 0.0) -> RobotState:
    T = transform(rotation_from_rpy([0, 0, yaw]), [q, 0, 0])
    return RobotState(int(ms * MS), np.full(7, q), np.zeros(7), T, q)


def test_a_frame_needs_colour_depth_and_robot(sync):
    assert sync.push_color(100 * MS, IMAGE) is None
    assert sync.push_robot(state(100)) is None
    frame = sync.push_depth(100 * MS, DEPTH)
    assert frame.stamp_ns == 100 * MS and list(frame.images) == ["front"]


@pytest.mark.parametrize("order", ["cdr", "crd", "dcr", "drc", "rcd", "rdc"])
def test_order_of_arrival_does_not_matter(sync, order):
    push = {
        "c": lambda: sync.push_color(100 * MS, IMAGE),
        "d": lambda: sync.push_depth(100 * MS, DEPTH),
        "r": lambda: sync.push_robot(state(100)),
    }
    results = [push[key]() for key in order]
    assert results[:2] == [None, None] and results[2].stamp_ns == 100 * MS


def test_the_robot_is_interpolated_at_the_stamp(sync):
    sync.push_robot(state(95, q=0.0, yaw=0.0))
    sync.push_robot(state(105, q=1.0, yaw=0.2))
    sync.push_color(100 * MS, IMAGE)
    robot = sync.push_depth(100 * MS, DEPTH).robot
    assert robot.stamp_ns == 100 * MS and np.allclose(robot.q, 0.5) and robot.gripper_width_m == 0.5
    assert np.allclose(robot.T_base_ee[:3, :3], rotation_from_rpy([0, 0, 0.1]))


def test_states_far_apart_are_not_interpolated(sync):
    sync.push_robot(state(0))
    sync.push_robot(state(200))
    sync.push_color(100 * MS, IMAGE)
    assert sync.push_depth(100 * MS, DEPTH) is None


def test_unpaired_stamps_give_nothing(sync):
    for ms in range(0, 2000, 100):
        assert sync.push_robot(state(ms)) is None
        assert sync.push_color(ms * MS, IMAGE) is None
        assert sync.push_depth((ms + 50) * MS, DEPTH) is None


def test_every_frame_comes_once_and_newer_than_the_last(sync):
    stamps = []
    for ms in (0, 100, 100, 300, 200, 300, 400):
        results = [sync.push_robot(state(ms)), sync.push_color(ms * MS, IMAGE), sync.push_depth(ms * MS, DEPTH)]
        stamps += [frame.stamp_ns // MS for frame in results if frame is not None]
    assert stamps == [0, 100, 300, 400]


def test_a_lost_stream_stops_frames_and_its_return_brings_them_back(sync):
    frames = []
    for ms in range(0, 3000, 100):
        frames.append(sync.push_robot(state(ms)))
        frames.append(sync.push_color(ms * MS, IMAGE))
        if not 1000 <= ms < 2000:
            frames.append(sync.push_depth(ms * MS, DEPTH))
    stamps = [frame.stamp_ns // MS for frame in frames if frame is not None]
    assert stamps == [*range(0, 1000, 100), *range(2000, 3000, 100)]


def test_the_nearest_wrist_image_is_added_when_it_is_near(sync):
    near, far = IMAGE + 1, IMAGE + 2
    sync.push_wrist(80 * MS, far)
    sync.push_wrist(130 * MS, near)
    sync.push_robot(state(120))
    sync.push_color(120 * MS, IMAGE)
    assert sync.push_depth(120 * MS, DEPTH).images["wrist"][0, 0, 0] == 1
    sync.push_robot(state(900))
    sync.push_color(900 * MS, IMAGE)
    assert "wrist" not in sync.push_depth(900 * MS, DEPTH).images


def test_a_clock_that_goes_back_starts_anew(sync):
    for ms in (5000, 100):
        sync.push_robot(state(ms))
        sync.push_color(ms * MS, IMAGE)
        assert sync.push_depth(ms * MS, DEPTH).stamp_ns == ms * MS


def test_memory_is_bounded(sync):
    for ms in range(3000):
        sync.push_color(ms * MS, IMAGE)
        sync.push_robot(state(ms))
    assert len(sync._color.stamps) == IMAGES_KEPT and len(sync._robot.values) == STATES_KEPT
