"""What shows only over time: floods of commands, a gripper that opens and closes without end."""

import numpy as np
import pytest
from arm_nouns import START_NS, TICK_NS, joint_command, safety_config, state

from molmoact_ros.arms.profile import FR3
from molmoact_ros.safety.habits import CommandRate, GripperTurns
from molmoact_ros.safety.supervisor import Supervisor, SupervisorState
from molmoact_ros.types import VerdictKind

MS = 1_000_000
CONFIG = safety_config()


@pytest.mark.parametrize("period_ms, reason", [(10, None), (5, None), (2, "command_flood"), (0, "command_flood")])
def test_commands_may_come_only_so_often(period_ms, reason):
    rate = CommandRate(CONFIG)
    found = [rate.check(START_NS + i * period_ms * MS) for i in range(100)]
    assert (found[-1] and found[-1].reason) == reason


def test_after_a_flood_and_after_a_clock_that_was_set_back_it_counts_anew():
    rate = CommandRate(CONFIG)
    assert [rate.check(START_NS) for _ in range(100)][-1] is not None
    assert rate.check(START_NS + 200 * MS) is None
    assert [rate.check(START_NS + 200 * MS) for _ in range(100)][-1] is not None
    assert rate.check(START_NS) is None


def test_a_gripper_may_turn_only_so_often():
    turns, widths = GripperTurns(CONFIG), []
    for i in range(20):
        widths.append(turns.allowed(START_NS + i * 100 * MS, 0.08 * (i % 2)))
    followed = [found is None for _, found in widths]
    # the first closing has no opening before it
    assert all(followed[: CONFIG.gripper_turns + 2]) and not all(followed)
    assert len({width for width, _ in widths[-6:]}) == 1 and "gripper_turns" in {f.reason for _, f in widths if f}
    assert turns.allowed(START_NS + 10_000 * MS, 0.08 - widths[-1][0])[1] is None


def test_a_gripper_that_opens_step_by_step_does_not_turn():
    turns = GripperTurns(CONFIG)
    assert all(turns.allowed(START_NS + i * MS, i * 0.001)[1] is None for i in range(80))


def test_the_supervisor_keeps_the_width_of_a_restless_gripper_and_holds_in_a_flood():
    supervisor, now, robot = Supervisor(CONFIG, FR3), START_NS, state(START_NS)
    supervisor.arm(now, robot)
    verdicts = []
    for i in range(80):
        now += TICK_NS
        width_m = 0.08 * (i // 5 % 2)
        verdicts.append(supervisor.judge(now, joint_command(now, FR3.home_q, width_m=width_m), state(now)))
    assert (
        "gripper_turns" in [v.reason for v in verdicts]
        and np.ptp([v.command.gripper_width_m[0] for v in verdicts[-20:]]) == 0
    )
    verdict = [supervisor.judge(now, joint_command(now, FR3.home_q), state(now)) for _ in range(60)][-1]
    assert (verdict.kind, verdict.reason) == (VerdictKind.HOLD, "command_flood")
    assert supervisor.state is SupervisorState.HOLDING
