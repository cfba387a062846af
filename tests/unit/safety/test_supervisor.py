"""States of the supervisor, and verdicts over time."""

from dataclasses import replace

import numpy as np
import pytest
from arm_nouns import CHAIN, START_NS, TICK_NS, LaggingArm, joint_command, safety_config, state

from molmoact_ros.arms.profile import FR3
from molmoact_ros.safety.checks import Finding
from molmoact_ros.safety.supervisor import Supervisor, SupervisorState
from molmoact_ros.types import VerdictKind

SILENT = Finding("silent_reasoning", 0.2, 0.15)


class Cell:
    """A supervisor, the time and a lagging arm; `target` is what the controller proposes."""

    def __init__(self, **changes):
        self.supervisor = Supervisor(safety_config(**changes), FR3)
        self.now_ns, self.robot = START_NS, LaggingArm()
        self.target = np.array(FR3.home_q)
        self.width_m = 0.08

    def tick(self, fault=None, **changes):
        self.now_ns += TICK_NS
        command = replace(joint_command(self.now_ns, self.target, width_m=self.width_m), **changes)
        verdict = self.supervisor.judge(self.now_ns, command, self.robot.state(self.now_ns), fault)
        self.robot.apply(verdict.command)
        return verdict

    def arm(self):
        assert self.supervisor.arm(self.now_ns, self.robot.state(self.now_ns))[0]
        for _ in range(60):
            self.tick()
        assert self.supervisor.state is SupervisorState.ACTIVE
        return self


def test_disarmed_holds_whatever_comes():
    cell = Cell()
    cell.target = cell.target + 0.01
    verdicts = [cell.tick() for _ in range(20)]
    assert {(v.kind, v.reason, v.command.space) for v in verdicts} == {(VerdictKind.HOLD, "disarmed", "hold")}
    assert cell.supervisor.counts[VerdictKind.HOLD] == 20


def test_arming_needs_a_fresh_state_of_the_arm():
    supervisor = Supervisor(safety_config(), FR3)
    assert supervisor.arm(START_NS, None) == (False, "not armed: arm_state_missing")
    assert not supervisor.arm(START_NS, state(START_NS - 10**9))[0]
    assert not supervisor.arm(START_NS, state(START_NS), Finding("arm_not_ready"))[0]
    assert supervisor.state is SupervisorState.DISARMED
    assert supervisor.arm(START_NS, state(START_NS))[0]


def test_armed_and_well_passes_commands_unchanged():
    cell = Cell().arm()
    cell.target = cell.target + 1e-3
    verdict = cell.tick()
    assert verdict.kind is VerdictKind.PASS and np.array_equal(verdict.command.targets[0], cell.target)


def test_holds_on_a_fault_and_comes_back_by_itself_after_a_while():
    cell = Cell().arm()
    verdict = cell.tick(SILENT)
    assert (verdict.kind, verdict.reason, verdict.value) == (VerdictKind.HOLD, "silent_reasoning", 0.2)
    assert cell.supervisor.state is SupervisorState.HOLDING
    reasons = [cell.tick().reason for _ in range(7)]
    assert reasons[0] == "resuming" and reasons[-1] == ""
    assert cell.supervisor.state is SupervisorState.ACTIVE


def test_nothing_is_a_hold():
    cell = Cell().arm()
    verdict = cell.supervisor.judge(cell.now_ns, None, None)
    assert verdict.kind is VerdictKind.HOLD and verdict.command.space == "hold"
    assert np.isfinite(verdict.command.targets).all() and np.isfinite(verdict.command.gripper_width_m).all()


def test_comes_out_of_a_hold_slowly_and_from_where_the_arm_is():
    cell = Cell(ramp_s=0.3).arm()
    cell.tick(SILENT)
    cell.target = cell.target + [0.3, 0, 0, 0, 0, 0, 0]
    steps, before = [], CHAIN.pose(cell.robot.q)[:3, 3]
    for _ in range(60):
        verdict = cell.tick()
        if verdict.command.space == "joint":
            tip = CHAIN.pose(verdict.command.targets[0])[:3, 3]
            steps.append(np.linalg.norm(tip - before))
            before = tip
    assert steps[0] <= 0.5 * 0.04 * 0.11 and max(steps) <= 0.5 * 0.04
    assert np.mean(steps[1:4]) < 0.3 * np.mean(steps[35:40])


def test_a_stop_latches_until_a_reset_that_finds_the_arm_known_and_at_rest():
    cell = Cell().arm()
    cell.supervisor.e_stop()
    assert [cell.tick().kind for _ in range(20)] == [VerdictKind.STOP] * 20
    assert cell.tick().command.space == "hold" and cell.tick().reason == "e_stop"
    now, supervisor = cell.now_ns, cell.supervisor
    assert supervisor.arm(now, state(now)) == (False, "stopped (e_stop); reset first")
    assert not supervisor.disarm()[0]
    assert supervisor.reset(now, None) == (False, "still stopped: arm_state_missing")
    assert not supervisor.reset(now, state(now), Finding("arm_not_ready"))[0]
    assert not supervisor.reset(now, state(now, dq=np.full(7, 0.2)))[0]
    assert supervisor.state is SupervisorState.STOPPED
    assert supervisor.reset(now, state(now)) == (True, "disarmed")
    assert cell.tick().reason == "disarmed"


def test_a_hold_of_any_kind_keeps_the_gripper():
    cell = Cell().arm()
    cell.width_m = 0.0
    assert cell.tick().command.gripper_width_m[0] == 0.0
    cell.width_m = 0.08
    assert cell.tick(SILENT).command.gripper_width_m[0] == 0.0
    cell.supervisor.e_stop()
    assert cell.tick().command.gripper_width_m[0] == 0.0
    cell = Cell().arm()
    cell.width_m = 0.0
    assert cell.tick(space="hold").command.gripper_width_m[0] == 0.08


def test_gripper_width_is_clamped_to_what_the_gripper_can_do():
    cell = Cell().arm()
    cell.width_m = 5.0
    verdict = cell.tick()
    assert (verdict.kind, verdict.reason) == (VerdictKind.LIMIT, "gripper_range")
    assert verdict.command.gripper_width_m[0] == FR3.gripper_max_width_m


def test_an_absurd_target_moves_the_arm_no_farther_than_the_lead_and_no_faster_than_allowed():
    cell = Cell().arm()
    cell.target = np.full(7, 1e300)
    for _ in range(100):
        before = CHAIN.pose(cell.robot.q)[:3, 3]
        verdict = cell.tick()
        assert verdict.kind in (VerdictKind.LIMIT, VerdictKind.HOLD)
        assert np.isfinite(verdict.command.targets).all()
        assert np.linalg.norm(CHAIN.pose(cell.robot.q)[:3, 3] - before) < 0.5 * 0.04


def test_an_arm_that_does_not_follow_is_held():
    cell = Cell(max_lead_rad=0.2).arm()
    cell.target = cell.target + [0.18, 0, 0, 0, 0, 0, 0]
    for _ in range(60):
        cell.tick()
    cell.robot.q = cell.robot.q - [0.5, 0, 0, 0, 0, 0, 0]
    assert cell.tick().reason == "arm_not_following"


def test_a_clock_that_is_set_back_holds():
    cell = Cell().arm()
    cell.now_ns -= 10**9
    assert cell.tick().kind is VerdictKind.HOLD


@pytest.mark.parametrize("kind", ["disarm", "e_stop"])
def test_disarm_and_stop_work_from_every_state(kind):
    for prepare in (Cell, lambda: Cell().arm()):
        cell = prepare()
        assert getattr(cell.supervisor, kind)()[0]
        assert cell.tick().kind in (VerdictKind.HOLD, VerdictKind.STOP)
