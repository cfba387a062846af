"""Reshaping: clamp, slide, shorten."""

import numpy as np
import pytest
from arm_nouns import CHAIN, START_NS, safety_config, state

from molmoact_ros.arms.profile import FR3
from molmoact_ros.control.config import ControlConfig
from molmoact_ros.control.kinematics import InverseKinematics
from molmoact_ros.safety.limits import Limits
from molmoact_ros.safety.reshape import Budget, Reference, Reshaper

DOWN_Q = np.array([1.0, 0.0, 0.0, 0.0])
CONFIG = safety_config()
LIMITS = Limits(CONFIG, FR3)
RESHAPER = Reshaper(CONFIG, LIMITS)
PLENTY = Budget(10.0, 1.0)
TICK = Budget(0.01, 1.0)
KINEMATICS = InverseKinematics(FR3, ControlConfig())


def _q_at(position, start=FR3.home_q):
    result = KINEMATICS.solve(np.array(position), DOWN_Q, start, iterations=200)
    assert result.position_error_m < 1e-3
    return result.q


def _joints(target, q_now=FR3.home_q, budget=TICK):
    return RESHAPER.joints(np.array(target), state(START_NS, q_now), Reference(q_now, q_now, CHAIN.pose(q_now)), budget)


def test_a_small_step_inside_passes_unchanged():
    target = FR3.home_q + 1e-3
    out = _joints(target)
    assert out.limited is None and out.refused is None and np.array_equal(out.target, target)


def test_joint_limits_are_kept_with_their_margin():
    q = np.array(FR3.home_q)
    q[6] = LIMITS.q_high[6] - 0.01
    target = q + [0, 0, 0, 0, 0, 0, 0.5]
    out = _joints(target, q, PLENTY)
    assert out.limited.reason == "joint_limit"
    assert out.target[6] <= LIMITS.q_high[6] + 1e-12


@pytest.mark.parametrize(
    "reason, start, aim, axis",
    [
        ("table", (0.5, 0.0, 0.02), (0.5, 0.02, 0.005), 2),
        ("workspace", (0.5, 0.39, 0.2), (0.52, 0.42, 0.2), 1),
        ("workspace", (0.74, 0.0, 0.2), (0.76, 0.03, 0.2), 0),
    ],
)
def test_slides_along_the_border_and_keeps_the_rest_of_the_motion(reason, start, aim, axis):
    q = _q_at(start)
    out = _joints(_q_at(aim, q), q, PLENTY)
    assert out.refused is None and out.limited.reason == reason
    assert LIMITS.outside(out.T) < 5e-4
    kept = [k for k in range(3) if k != axis]
    assert np.abs(out.T[kept, 3] - np.array(aim)[kept]).max() < 3e-3


def test_fingers_and_hand_count_for_the_table_not_the_tip_alone():
    tilted = np.array(_q_at((0.5, 0.0, 0.05)))
    assert LIMITS.below_table(CHAIN.pose(tilted)) < 0
    tilted[6] += 0.0
    tilted[5] += 0.7
    T = CHAIN.pose(tilted)
    assert LIMITS.below_table(T) > -T[2, 3] + 0.01


def test_steps_are_shortened_to_the_speed_limits_in_the_same_direction():
    target = FR3.home_q + np.array([0.2, 0.1, 0, 0, 0, 0, 0])
    out = _joints(target)
    step = out.target - FR3.home_q
    assert out.limited.reason in ("tip_speed", "joint_speed")
    assert np.linalg.norm(out.T[:3, 3] - CHAIN.pose(FR3.home_q)[:3, 3]) <= CONFIG.max_tip_speed * 0.01 * 1.001
    assert np.allclose(step / np.linalg.norm(step), (target - FR3.home_q) / np.linalg.norm(target - FR3.home_q))
    half = _joints(target, budget=Budget(0.01, 0.5)).target - FR3.home_q
    assert np.allclose(half, step / 2)


def test_joints_slow_down_before_their_limit():
    far, near = LIMITS.q_high - 1.0, LIMITS.q_high - 0.001
    assert np.all(LIMITS.allowed_dq(near, np.ones(7)) < LIMITS.allowed_dq(far, np.ones(7)))
    assert np.all(LIMITS.allowed_dq(near, -np.ones(7)) == LIMITS.dq_max)
    assert np.all(LIMITS.allowed_dq(LIMITS.q_high + 0.1, np.ones(7)) == 0.0)


def test_joints_stay_below_what_the_datasheet_allows_where_they_are():
    q, direction = np.array(FR3.home_q), np.array([0, 0, 0, -1, 0, -1, 0])
    q[5] = 0.8
    offset, slope, low, _ = FR3.dq_near.T
    allowed = LIMITS.allowed_dq(q, direction)
    for joint in (3, 5):
        datasheet = np.sqrt(slope[joint] * (q[joint] - low[joint])) - offset[joint]
        assert 0.5 * datasheet < allowed[joint] <= (1 - CONFIG.near_margin) * datasheet < LIMITS.dq_max[joint]
    assert np.all(LIMITS.allowed_dq(q, -direction)[[3, 5]] == LIMITS.dq_max[[3, 5]])


def test_an_arm_that_stands_outside_may_come_back_but_not_go_farther():
    q = _q_at((0.5, 0.45, 0.2))
    outside = LIMITS.outside(CHAIN.pose(q))
    assert outside > 0.04
    inward = _joints(_q_at((0.5, 0.3, 0.2), q), q)
    assert inward.refused is None and LIMITS.outside(inward.T) < outside
    outward = _joints(_q_at((0.5, 0.5, 0.2), q), q)
    assert outward.refused is not None or LIMITS.outside(outward.T) <= outside


def test_end_effector_targets_are_clamped_and_shortened():
    config = safety_config(command_space="ee")
    reshaper = Reshaper(config, Limits(config, FR3))
    robot = state(START_NS, _q_at((0.5, 0.0, 0.03)))
    here = np.concatenate([robot.T_base_ee[:3, 3], DOWN_Q])
    reference = Reference(here, robot.q, robot.T_base_ee)
    out = reshaper.tip(here + [0, 0, -0.05, 0, 0, 0, 0], robot, reference, PLENTY)
    assert out.limited.reason == "table" and LIMITS.below_table(out.T) < 1e-4
    out = reshaper.tip(here + [0.05, 0, 0, 0, 0, 0, 0], robot, reference, TICK)
    assert out.limited.reason in ("tip_speed", "joint_speed")
    assert 0 < out.target[0] - here[0] <= config.max_tip_speed * 0.01
