"""The controller with an arm that lags behind its commands."""

from dataclasses import replace

import numpy as np
import pytest
from arm_nouns import START_NS, TICK_NS, LaggingArm, plan, rows, state

from molmoact_ros.arms.profile import FR3
from molmoact_ros.control.config import ControlConfig
from molmoact_ros.control.controller import Controller

GOAL = np.array([0.5, 0.15, 0.05])


def _towards(arm, goal, gripper=1.0, step_m=0.04):
    points, at = [], arm.tip
    for _ in range(8):
        distance = np.linalg.norm(goal - at)
        at = at + (goal - at) * min(1.0, step_m / max(distance, 1e-9))
        points.append(at)
    return rows(points, np.full(8, gripper))


def _run(controller, arm, ticks, start_ns=START_NS, plans=None):
    """Tick the controller and the arm; plans: tick -> plan. Returns commands and tips."""
    commands, tips = [], []
    for k in range(ticks):
        now = start_ns + k * TICK_NS
        if plans and k in plans:
            controller.set_plan(plans[k])
        commands.append(controller.tick(now, arm.state(now)))
        arm.apply(commands[-1])
        tips.append(arm.tip)
    return commands, np.array(tips)


@pytest.mark.parametrize("space", ["joint", "ee"])
def test_reaches_the_last_row_within_speed_and_acceleration_then_holds(space):
    config = ControlConfig(command_space=space, max_tip_speed=0.25)
    controller, arm = Controller(config, FR3), LaggingArm()
    actions = rows(np.linspace(arm.tip, arm.tip + [0.08, 0.1, -0.15], 9)[1:])
    commands, tips = _run(controller, arm, 280, plans={0: plan(7, START_NS, actions)})
    assert np.linalg.norm(tips[-1] - actions[-1, :3]) < 3e-3
    assert commands[0].space == space and commands[0].plan_id == 7 and commands[0].stamp_ns == START_NS
    assert commands[-1].space == "hold" and controller.reason == "ran_dry"
    speed = np.linalg.norm(np.diff(tips, axis=0), axis=1) / (TICK_NS * 1e-9)
    assert speed.max() < 0.26


def test_many_late_plans_make_one_smooth_motion():
    config = ControlConfig(max_tip_speed=0.3, max_tip_acceleration=2.0)
    controller, arm = Controller(config, FR3), LaggingArm()
    setpoints, waiting = [], None
    for k in range(300):
        now = START_NS + k * TICK_NS
        if k % 40 == 0:
            waiting = plan(k + 1, now, _towards(arm, GOAL))
        if k % 40 == 25:
            assert controller.set_plan(waiting) is None
        command = controller.tick(now, arm.state(now))
        arm.apply(command)
        if command.space == "joint":
            setpoints.append(command.targets[0])
    assert np.linalg.norm(arm.tip - GOAL) < 5e-3
    acceleration = np.diff(np.array(setpoints), 2, axis=0) / (TICK_NS * 1e-9) ** 2
    assert np.abs(acceleration).max() <= FR3.ddq_max[0]


def test_nan_chunk_moves_nothing_and_disturbs_nothing():
    controller, arm = Controller(ControlConfig(), FR3), LaggingArm()
    refusal = controller.set_plan(plan(1, START_NS, np.full((8, 7), np.nan)))
    assert refusal.name == "not_finite"
    commands, tips = _run(controller, arm, 20)
    assert all(c.space == "hold" for c in commands) and np.ptp(tips, axis=0).max() == 0.0

    outcomes = []
    for bad in (None, plan(3, START_NS + 1, np.full((8, 7), np.inf))):
        controller, arm = Controller(ControlConfig(), FR3), LaggingArm()
        plans = {0: plan(2, START_NS, _towards(arm, GOAL))} | ({30: bad} if bad else {})
        outcomes.append([c.targets for c in _run(controller, arm, 100, plans=plans)[0]])
    assert np.array_equal(outcomes[0], outcomes[1])


def test_setpoints_wait_for_an_arm_that_is_held_and_start_from_where_it_is():
    config = ControlConfig(max_tip_speed=0.5, max_lead_m=0.05, max_lead_rad=0.1)
    controller, arm = Controller(config, FR3), LaggingArm(share=0.0)
    far = rows(np.tile([0.6, 0.3, 0.1], (8, 1)))
    commands, _ = _run(controller, arm, 100, plans={0: plan(1, START_NS, far)})
    leads = [np.abs(c.targets[0] - arm.q).max() for c in commands]
    assert max(leads) <= 0.1 + 1e-9
    controller.tick(START_NS + 101 * TICK_NS, None)
    later = START_NS + 102 * TICK_NS
    first = controller.tick(later, arm.state(later))
    assert np.abs(first.targets[0] - arm.q).max() < 2e-3


@pytest.mark.parametrize(
    "spoiled",
    [None, state(START_NS - 10**9), state(START_NS + 10**9), replace(state(START_NS), q=np.full(7, np.nan))],
)
def test_holds_while_the_arm_is_not_known(spoiled):
    controller = Controller(ControlConfig(), FR3)
    controller.set_plan(plan(1, START_NS, rows(np.tile(GOAL, (8, 1)))))
    assert controller.tick(START_NS, spoiled).space == "hold"
    assert controller.reason == "no_robot_state"


def test_gripper_follows_rows_and_a_hold_keeps_it():
    controller, arm = Controller(ControlConfig(), FR3), LaggingArm()
    actions = rows(np.tile(arm.tip, (8, 1)), [1, 1, 0.4, 0, 0, 0, 0, 0])
    commands, _ = _run(controller, arm, 250, plans={0: plan(1, START_NS, actions)})
    widths = np.array([c.gripper_width_m[0] for c in commands])
    assert np.all(widths[:40] == 0.08) and np.all(widths[41:] == 0.0)
    assert commands[-1].space == "hold"


def test_the_tip_stays_until_a_plan_has_seen_what_the_fingers_did():
    controller, arm = Controller(ControlConfig(), FR3), LaggingArm()
    up = arm.tip + np.outer(np.arange(8), [0.0, 0.0, 0.02])
    too_early = plan(2, START_NS + 600_000_000, rows(up, np.ones(8)))
    seen = plan(3, START_NS + 900_000_000, rows(up, np.zeros(8)))
    start = arm.tip.copy()
    closing = plan(1, START_NS, rows(np.tile(start, (8, 1)), [1, 1, 0, 0, 0, 0, 0, 0]))
    commands, _ = _run(controller, arm, 110, plans={0: closing, 65: too_early})
    assert np.linalg.norm(arm.tip - start) < 0.005
    assert all(c.gripper_width_m[0] == 0.0 for c in commands[45:])
    after, _ = _run(controller, arm, 80, START_NS + 110 * TICK_NS, {0: seen})
    assert arm.tip[2] > start[2] + 0.03
    assert all(c.gripper_width_m[0] == 0.0 for c in after)


def test_a_clock_that_is_set_back_ends_in_a_hold():
    controller, arm = Controller(ControlConfig(), FR3), LaggingArm()
    _run(controller, arm, 20, plans={0: plan(1, START_NS, _towards(arm, GOAL))})
    assert controller.tick(START_NS - 5 * TICK_NS, arm.state(START_NS - 5 * TICK_NS)).space == "hold"


def test_time_that_stands_still_moves_nothing():
    controller, arm = Controller(ControlConfig(), FR3), LaggingArm()
    _run(controller, arm, 20, plans={0: plan(1, START_NS, _towards(arm, GOAL))})
    now = START_NS + 20 * TICK_NS
    targets = [controller.tick(now, arm.state(now)).targets for _ in range(5)]
    assert all(np.array_equal(targets[0], t) for t in targets[1:])


@pytest.mark.parametrize("space", ["joint", "ee"])
def test_goes_home_when_asked_and_refuses_plans_on_the_way(space):
    q = FR3.home_q + np.array([0.3, 0.2, -0.3, 0.1, 0.2, 0.1, -0.2])
    controller, arm = Controller(ControlConfig(command_space=space, max_tip_speed=0.3), FR3), LaggingArm(q=q)
    controller.go_home()
    commands, _ = _run(controller, arm, 100)
    assert controller.reason == "going_home" and commands[-1].space == space and commands[-1].stamp_ns > START_NS
    assert controller.set_plan(plan(1, START_NS + 10**9, rows([GOAL]))).name == "going_home"
    commands, _ = _run(controller, arm, 1000, start_ns=START_NS + 100 * TICK_NS)
    assert commands[-1].space == "hold" and commands[-1].gripper_width_m[0] == 0.08
    assert np.linalg.norm(arm.tip - state(START_NS).T_base_ee[:3, 3]) < 5e-3
