"""Inverse kinematics against forward kinematics."""

import numpy as np
import pytest
from arm_nouns import CHAIN

from molmoact_ros import geometry
from molmoact_ros.arms.profile import FR3
from molmoact_ros.control.config import ControlConfig
from molmoact_ros.control.kinematics import InverseKinematics

DOWN = geometry.quaternion_from_rotation(geometry.rotation_from_rpy([np.pi, 0.0, 0.0]))


@pytest.fixture
def kinematics():
    return InverseKinematics(FR3, ControlConfig())


def test_serial_chain_is_the_plain_kinematics():
    rng = np.random.default_rng(0)
    for q in rng.uniform(FR3.q_min, FR3.q_max, (20, 7)):
        T, J = CHAIN.pose_and_jacobian(q)
        assert np.allclose(T, geometry.forward_kinematics(FR3.dh, FR3.T_flange_ee, q))
        assert np.allclose(J, geometry.jacobian(FR3.dh, FR3.T_flange_ee, q))
        assert np.allclose(CHAIN.pose(q), T)


def test_follows_a_path_over_the_table_within_a_tenth_of_a_millimetre(kinematics):
    q, corners = FR3.home_q, [[0.36, 0, 0.34], [0.5, 0.3, 0.02], [0.65, -0.3, 0.02], [0.35, 0.0, 0.5]]
    for begin, end in zip(np.array(corners), np.array(corners)[1:]):
        for share in np.linspace(0, 1, 200):
            position = begin + share * (end - begin)
            result = kinematics.solve(position, DOWN, q)
            assert np.abs(result.q - q).max() < 0.05
            q = result.q
            assert np.linalg.norm(CHAIN.pose(q)[:3, 3] - position) == pytest.approx(result.position_error_m, abs=1e-9)
            assert result.position_error_m < 2e-4 and result.rotation_error_rad < 1e-3


def test_out_of_reach_leaves_an_error_and_stays_off_the_joint_limits(kinematics):
    result = kinematics.solve(np.array([5.0, 0.0, 0.0]), DOWN, FR3.home_q, iterations=100)
    assert result.position_error_m > 3.0
    margin = ControlConfig().joint_margin_rad - 1e-9
    assert np.all(result.q >= FR3.q_min + margin) and np.all(result.q <= FR3.q_max - margin)


def test_standing_still_pulls_the_elbow_home_without_moving_the_tip(kinematics):
    q = np.array(FR3.home_q)
    T = CHAIN.pose(q)
    # Turn the elbow away in the null space, then let the posture pull it back.
    _, J = CHAIN.pose_and_jacobian(q)
    q = kinematics.solve(T[:3, 3], DOWN, q + 0.4 * np.linalg.svd(J)[2][-1], iterations=20).q
    far = np.linalg.norm(q - FR3.home_q)
    for _ in range(400):
        result = kinematics.solve(T[:3, 3], DOWN, q)
        q = result.q
        assert result.position_error_m < 1e-3
    assert np.linalg.norm(q - FR3.home_q) < 0.3 * far
