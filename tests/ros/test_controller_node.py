"""The controller alone in its process: plans in over DDS, commands out."""

import numpy as np
import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("rclpy")
from arm_nouns import plan, rows, state  # noqa: E402
from molmoact_msgs.msg import Command, Plan, RobotState  # noqa: E402
from node_bench import Bench  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.nodes import qos  # noqa: E402
from molmoact_ros.nodes.convert import plan_to_msg, refusal_to_msg, robot_state_to_msg  # noqa: E402
from molmoact_ros.types import Refusal  # noqa: E402

DOMAIN = 61
COMMANDS = "control/command"


@pytest.fixture
def bench():
    bench = Bench("controller", DOMAIN)
    bench.listen(Command, COMMANDS, qos.COMMAND)
    bench.plans = bench.node.create_publisher(Plan, "reasoning/plan", qos.EVENT)
    bench.home = bench.node.create_client(Trigger, "control/home")
    bench.q = np.array(FR3.home_q)
    bench.arm = bench.feed(
        RobotState, "arm/state", qos.STATE, 100, lambda: robot_state_to_msg(state(bench.now_ns(), bench.q))
    )
    with bench:
        assert bench.wait(lambda: len(bench.heard[COMMANDS]) > 20 and bench.plans.get_subscription_count())
        yield bench


def _offer(bench, actions):
    bench.plans.publish(plan_to_msg(plan(1, bench.now_ns(), actions)))


def _spaces(bench):
    return {message.space for _, message in bench.heard[COMMANDS]}


def test_holds_aloud_moves_on_a_plan_and_runs_dry(bench):
    assert _spaces(bench) == {"hold"}
    times = [at for at, _ in bench.heard[COMMANDS][-20:]]
    assert np.median(np.diff(times)) == pytest.approx(0.01, rel=0.3)
    tip = state(0).T_base_ee[:3, 3]
    _offer(bench, rows(np.tile(tip + [0.03, 0.0, 0.0], (8, 1))))
    assert bench.wait(lambda: bench.last(COMMANDS).space == "joint")
    command = bench.last(COMMANDS)
    assert command.plan_id == 1 and len(command.targets) == 7
    # The test's arm stands still, so the setpoint stays within its lead.
    assert np.abs(np.array(command.targets) - bench.q).max() < 0.25
    assert bench.wait(lambda: bench.last(COMMANDS).space == "hold", 5.0)


def test_nan_chunks_and_refusals_move_nothing(bench):
    _offer(bench, np.full((8, 7), np.nan))
    refusal = Refusal(bench.now_ns(), "no_object", "there is no purple cube in sight")
    bench.plans.publish(refusal_to_msg(refusal))
    count = len(bench.heard[COMMANDS])
    assert bench.wait(lambda: len(bench.heard[COMMANDS]) > count + 30)
    assert _spaces(bench) == {"hold"}


def test_holds_when_the_arm_is_silent_or_not_ready(bench):
    _offer(bench, rows(np.tile(state(0).T_base_ee[:3, 3] + [0.03, 0.0, 0.0], (8, 1))))
    assert bench.wait(lambda: bench.last(COMMANDS).space == "joint")
    bench.arm["on"] = False
    assert bench.wait(lambda: bench.last(COMMANDS).space == "hold", 1.0)


def test_goes_home_on_request(bench):
    bench.q = FR3.home_q + 0.2
    assert bench.call(bench.home, Trigger.Request()).success
    assert bench.wait(lambda: bench.last(COMMANDS).space == "joint", 3.0)


def test_an_unknown_parameter_ends_the_node_in_one_line():
    with Bench("controller", DOMAIN, max_tip_sped=0.1) as bench:
        assert bench.wait(lambda: bench.process.poll() is not None)
        code, said = bench.end()
    assert code == 1 and "max_tip_sped" in said and "Traceback" not in said
