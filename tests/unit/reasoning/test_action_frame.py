"""Rows in a model's own frame and back: the same poses, whatever they are measured from."""

import numpy as np
import pytest

from molmoact_ros.control.course import PoseHistory, course_of
from molmoact_ros.geometry import rotation_from_rpy, transform
from molmoact_ros.reasoning.action_frame import ABSOLUTE, CHUNK_RELATIVE, DELTA, FRAMES, from_base, to_base
from molmoact_ros.types import ActionChunk, RobotState

T_BASE_EE = transform(rotation_from_rpy([3.0, 0.1, -0.4]), [0.45, -0.1, 0.3])


def poses(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.empty((8, 7))
    rows[:, :3] = T_BASE_EE[:3, 3] + np.cumsum(rng.normal(0, 0.02, (8, 3)), axis=0)
    rows[:, 3:6] = [3.0, 0.1, -0.4] + np.cumsum(rng.normal(0, 0.05, (8, 3)), axis=0)
    rows[:, 6] = rng.integers(0, 2, 8)
    return rows


@pytest.mark.parametrize("frame", FRAMES)
def test_the_controller_goes_to_the_same_poses(frame):
    wanted = poses()
    rows, convention = to_base(from_base(wanted, frame, T_BASE_EE), frame, T_BASE_EE)
    assert convention == (DELTA if frame == DELTA else ABSOLUTE)
    history = PoseHistory()
    history.push(RobotState(1_000_000_000, np.zeros(7), np.zeros(7), T_BASE_EE, 0.08))
    course = course_of(1, ActionChunk(1_000_000_000, 0.2, rows, convention), history, 1.0)
    direct = course_of(1, ActionChunk(1_000_000_000, 0.2, wanted, ABSOLUTE), history, 1.0)
    np.testing.assert_allclose(course.positions, direct.positions, atol=1e-9)
    dots = np.abs((course.quaternions * direct.quaternions).sum(1))
    np.testing.assert_allclose(dots, 1.0, atol=1e-9)
    np.testing.assert_array_equal(course.grippers, direct.grippers)


def test_numbers_stay_small_and_a_resting_arm_is_zero():
    still = np.tile([*T_BASE_EE[:3, 3], 3.0, 0.1, -0.4, 1.0], (8, 1))
    for frame in (DELTA, CHUNK_RELATIVE):
        np.testing.assert_allclose(from_base(still, frame, T_BASE_EE)[:, :6], 0.0, atol=1e-9)
    assert np.abs(from_base(poses(), CHUNK_RELATIVE, T_BASE_EE)[:, :3]).max() < 0.3
