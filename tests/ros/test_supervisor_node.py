"""The supervisor alone in its process: heartbeats, commands and services in, verdicts out."""

import time

import numpy as np
import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("rclpy")
from arm_nouns import joint_command, state  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from molmoact_msgs.msg import Command, RobotState, SafetyStatus  # noqa: E402
from node_bench import Bench  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.nodes import qos  # noqa: E402
from molmoact_ros.nodes.convert import command_to_msg, robot_state_to_msg  # noqa: E402

DOMAIN = 62
ISSUED, STATUS = "safety/command", "safety/status"
CELL = {
    "workspace_min_m": "[0.25,-0.4,0.005]",
    "workspace_max_m": "[0.75,0.4,0.7]",
    "table_z_m": "0.0",
    # The bench shares two cores with others; what is tested here is the order of things, not a deadline.
    "command_silence_s": "0.3",
    "arm_silence_s": "0.3",
    "perception_silence_s": "0.3",
    "reasoning_silence_s": "0.3",
    "max_state_age_s": "0.3",
    "max_command_age_s": "0.3",
}


class SupervisorBench(Bench):
    """All inputs of the supervisor, each with a switch."""

    def __init__(self, gate_level=DiagnosticStatus.OK, **parameters):
        super().__init__("supervisor", DOMAIN, **{**CELL, **parameters})
        self.gate_level = gate_level
        self.q, self.dq, self.target, self.ready = np.array(FR3.home_q), np.zeros(7), np.array(FR3.home_q), True
        self.listen(Command, ISSUED, qos.COMMAND)
        self.listen(SafetyStatus, STATUS, qos.STATE)
        self.switches = {
            "arm": self.feed(RobotState, "arm/state", qos.STATE, 100, self._state),
            "controller": self.feed(Command, "control/command", qos.COMMAND, 100, self._command),
            "perception": self.feed(Header, "perception/heartbeat", qos.STATE, 50, Header),
            "reasoning": self.feed(Header, "reasoning/heartbeat", qos.STATE, 50, Header),
        }
        if gate_level is not None:
            self.feed(DiagnosticStatus, "reasoning/checkpoint", qos.LATCHED, 10, self._gate)
        self.clients = {
            name: self.node.create_client(kind, f"safety/{name}")
            for name, kind in (("arm", SetBool), ("e_stop", Trigger), ("reset", Trigger))
        }

    def _state(self):
        return robot_state_to_msg(state(self.now_ns(), self.q, self.dq), ready=self.ready)

    def _command(self):
        return command_to_msg(joint_command(self.now_ns(), self.target))

    def _gate(self):
        return DiagnosticStatus(level=self.gate_level)

    def ask(self, name, **request):
        kind = SetBool if name == "arm" else Trigger
        return self.call(self.clients[name], kind.Request(**request))

    def reaches(self, state_, reason=None, timeout_s=15.0):
        def there():
            status = self.last(STATUS)
            return status is not None and status.state == state_ and reason in (None, status.reason)

        return self.wait(there, timeout_s)


@pytest.fixture
def bench():
    with SupervisorBench(arm_on_start="true") as bench:
        assert bench.reaches(SafetyStatus.ACTIVE), bench.last(STATUS)
        yield bench


def test_disarmed_until_asked():
    with SupervisorBench() as bench:
        assert bench.reaches(SafetyStatus.DISARMED, "disarmed")
        assert bench.wait(lambda: bench.last(ISSUED) is not None)
        assert {m.space for _, m in bench.heard[ISSUED]} == {"hold"}
        assert bench.wait(lambda: bench.ask("arm", data=True).success, 5.0)
        assert bench.reaches(SafetyStatus.ACTIVE)
        assert bench.wait(lambda: bench.last(ISSUED).space == "joint")
        assert bench.ask("arm", data=False).success
        assert bench.wait(lambda: bench.last(ISSUED).space == "hold")


def test_nobody_arms_before_the_checkpoint_has_passed_the_gate():
    with SupervisorBench(gate_level=DiagnosticStatus.ERROR, arm_on_start="true") as bench:
        assert bench.reaches(SafetyStatus.DISARMED, "disarmed")
        assert bench.wait(lambda: "checkpoint_refused" in bench.ask("arm", data=True).message, 5.0)
        bench.gate_level = DiagnosticStatus.OK
        assert bench.reaches(SafetyStatus.ACTIVE)


def test_without_a_word_from_the_gate_nobody_arms():
    with SupervisorBench(gate_level=None, arm_on_start="true") as bench:
        assert bench.reaches(SafetyStatus.DISARMED, "disarmed")
        answer = bench.ask("arm", data=True)
        assert not answer.success and "checkpoint_not_checked" in answer.message


@pytest.mark.parametrize("name", ["arm", "controller", "perception", "reasoning"])
def test_holds_while_any_input_is_silent_and_goes_on_after(bench, name):
    bench.switches[name]["on"] = False
    assert bench.reaches(SafetyStatus.HOLDING, timeout_s=2.0)
    # a bench that stalls is silent for the arm, too, but not for long
    assert bench.wait(lambda: bench.last(STATUS).reason in (f"silent_{name}", "arm_state_stale"), 2.0)
    assert bench.wait(lambda: bench.last(ISSUED).space == "hold", 1.0)
    bench.switches[name]["on"] = True
    assert bench.reaches(SafetyStatus.ACTIVE, timeout_s=5.0)


def test_nan_is_held_and_absurd_targets_are_limited(bench):
    bench.target = np.full(7, np.nan)
    assert bench.reaches(SafetyStatus.HOLDING, "command_not_finite", 3.0)
    bench.target = FR3.home_q + 3.0
    assert bench.wait(lambda: bench.last(STATUS).limited > 0, 3.0)
    moved = [np.abs(np.array(m.targets) - FR3.home_q).max() for _, m in bench.heard[ISSUED] if m.space == "joint"]
    assert max(moved) < 0.5 and np.isfinite(moved).all()


def test_a_malformed_command_is_a_hold(bench):
    bench.switches["controller"]["on"] = False
    broken = bench.node.create_publisher(Command, "control/command", qos.COMMAND)
    bench.wait(lambda: broken.get_subscription_count(), 5.0)
    broken.publish(Command(space="joint", arm_names=["fr3"], targets=[0.0]))
    assert bench.wait(lambda: bench.last(ISSUED).space == "hold", 2.0)
    assert bench.process.poll() is None


def test_the_stop_latches_and_reset_needs_the_cause_gone(bench):
    asked = time.monotonic()
    assert bench.ask("e_stop").success
    assert bench.reaches(SafetyStatus.STOPPED, "e_stop")
    assert bench.wait(lambda: bench.last(ISSUED).space == "hold")
    assert not bench.ask("arm", data=True).success
    bench.dq = np.full(7, 0.3)
    bench.wait(lambda: False, 0.2)
    assert "moves" in bench.ask("reset").message
    bench.dq, bench.ready = np.zeros(7), False
    bench.wait(lambda: False, 0.2)
    assert not bench.ask("reset").success
    bench.ready = True
    bench.wait(lambda: False, 0.2)
    spaces = {m.space for at, m in bench.heard[ISSUED] if at > asked + 0.5}
    assert spaces <= {"hold"}
    assert bench.ask("reset").success
    assert bench.reaches(SafetyStatus.DISARMED)
    assert bench.ask("arm", data=True).success
    assert bench.reaches(SafetyStatus.ACTIVE)


def test_box_and_table_are_required():
    with Bench("supervisor", DOMAIN, table_z_m=0.0) as bench:
        assert bench.wait(lambda: bench.process.poll() is not None)
        code, said = bench.end()
    assert code == 1 and "workspace_min_m" in said and "Traceback" not in said
