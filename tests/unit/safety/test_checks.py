"""Every check that refuses: what it lets pass and what it names."""

from dataclasses import replace

import numpy as np
import pytest
from arm_nouns import START_NS, joint_command, safety_config, state

from molmoact_ros.arms.profile import FR3
from molmoact_ros.config import build
from molmoact_ros.errors import ConfigError
from molmoact_ros.safety import checks
from molmoact_ros.safety.config import SafetyConfig
from molmoact_ros.safety.limits import Limits

CONFIG = safety_config()
LIMITS = Limits(CONFIG, FR3)
COMMAND = joint_command(START_NS, FR3.home_q)
SECOND = 1_000_000_000


def _state_reason(robot):
    found = checks.check_state(START_NS, robot, CONFIG, LIMITS)
    return found and found.reason


def test_box_and_table_must_be_given():
    with pytest.raises(ConfigError, match="workspace_min_m"):
        build(SafetyConfig, {})
    given = {"workspace_min_m": [0.2, 0, 0], "workspace_max_m": [0.1, 1, 1], "table_z_m": 0.0}
    with pytest.raises(ConfigError, match="below"):
        build(SafetyConfig, given)


@pytest.mark.parametrize(
    "robot, reason",
    [
        (state(START_NS), None),
        (None, "arm_state_missing"),
        (state(START_NS - SECOND), "arm_state_stale"),
        (state(START_NS + SECOND), "arm_state_from_future"),
        (state(START_NS, dq=FR3.dq_max * 1.01), "arm_too_fast"),
        (replace(state(START_NS), q=np.full(7, np.nan)), "arm_state_not_finite"),
        (replace(state(START_NS), dq=np.full(7, np.inf)), "arm_state_not_finite"),
        (replace(state(START_NS), gripper_width_m=float("nan")), "arm_state_not_finite"),
        (replace(state(START_NS), wrench=np.full(6, np.nan)), "arm_state_not_finite"),
        (replace(state(START_NS), T_base_ee=np.full((4, 4), np.nan)), "arm_state_not_finite"),
    ],
)
def test_arm_state(robot, reason):
    assert _state_reason(robot) == reason


@pytest.mark.parametrize(
    "command, reason",
    [
        (COMMAND, None),
        (None, "command_missing"),
        (replace(COMMAND, arm_names=("left",)), "wrong_arm"),
        (replace(COMMAND, space="ee"), "wrong_space"),
        (replace(COMMAND, targets=np.full((1, 7), np.nan)), "command_not_finite"),
        (replace(COMMAND, gripper_width_m=[np.inf]), "command_not_finite"),
        (replace(COMMAND, space="hold", targets=np.full((1, 7), np.nan)), None),
    ],
)
def test_form(command, reason):
    found = checks.check_form(command, CONFIG)
    assert (found and found.reason) == reason


def test_end_effector_targets_need_a_rotation():
    config = safety_config(command_space="ee")
    target = replace(COMMAND, space="ee", targets=[[0.4, 0, 0.3, 1, 0, 0, 0]])
    assert checks.check_form(target, config) is None
    target = replace(target, targets=[[0.4, 0, 0.3, 0, 0, 0, 0]])
    assert checks.check_form(target, config).reason == "not_a_rotation"


@pytest.mark.parametrize(
    "stamp_s, issued_s, space, reason",
    [
        (-0.5, 0.0, "joint", None),
        (-3.0, 0.0, "joint", "observation_stale"),
        (0.5, 0.0, "joint", "observation_from_future"),
        (-0.5, -0.5, "joint", "command_stale"),
        (-0.5, 0.5, "joint", "command_from_future"),
        (-3.0, 0.0, "hold", None),
        (-3.0, -0.5, "hold", "command_stale"),
    ],
)
def test_age(stamp_s, issued_s, space, reason):
    command = replace(
        COMMAND, stamp_ns=START_NS + int(stamp_s * SECOND), issued_ns=START_NS + int(issued_s * SECOND), space=space
    )
    found = checks.check_age(START_NS, command, CONFIG)
    assert (found and found.reason) == reason


def test_an_arm_that_does_not_follow_is_found():
    robot = state(START_NS)
    assert checks.check_following(robot.q + 0.1, robot, CONFIG) is None
    assert checks.check_following(robot.q + 1.0, robot, CONFIG).reason == "arm_not_following"
