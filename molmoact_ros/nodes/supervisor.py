"""`supervisor`: the only publisher of the commands that the arm accepts.

A command is judged when it comes, without waiting for a tick. A timer looks after silence: it publishes holds while
nobody else does, and the status.
"""

import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from molmoact_msgs.msg import Command, RobotState, SafetyStatus
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from .. import types
from ..arms.profile import FR3
from ..errors import InvalidData
from ..safety.checks import Finding
from ..safety.config import SafetyConfig
from ..safety.supervisor import Supervisor, SupervisorState
from ..safety.watchdog import WATCHED, watchdog_of
from . import qos
from .convert import command_from_msg, command_to_msg, robot_state_from_msg
from .shell import CellNode, run

_WATCH_PERIOD_S = 0.02
_QUIET_NS = 15_000_000


class SupervisorNode(CellNode):
    """Judges every proposed command; unknown, late, missing and NaN all mean hold."""

    CONFIG = SafetyConfig

    def configure(self, config: SafetyConfig) -> None:
        """Build supervisor and watchdog and connect them."""
        self._arm_name = config.arm_name
        self._supervisor, self._watchdog = Supervisor(config, FR3), watchdog_of(config)
        self._robot: types.RobotState | None = None
        self._not_ready = ""
        self._checkpoint: Finding | None = Finding("checkpoint_not_checked")
        self._arm_on_start = config.arm_on_start
        self._verdict: types.Verdict | None = None
        self._issued_ns = 0
        self._issued = self.output(Command, "safety/command", qos.COMMAND)
        self._status = self.output(SafetyStatus, "safety/status", qos.STATE)
        self.input(RobotState, "arm/state", self._take_state, qos.STATE)
        self.input(Command, "control/command", self._take_command, qos.COMMAND)
        for name in ("perception", "reasoning"):
            self.input(Header, f"{name}/heartbeat", lambda _, name=name: self._heard(name), qos.STATE)
        self.input(DiagnosticStatus, "reasoning/checkpoint", self._take_gate, qos.LATCHED)
        self.serve(SetBool, "safety/arm", self._arm)
        self.serve(Trigger, "safety/e_stop", self._e_stop)
        self.serve(Trigger, "safety/reset", self._reset)
        self.every(_WATCH_PERIOD_S, self._watch)

    def _heard(self, name: str) -> None:
        self._watchdog.heard(name, time.monotonic_ns())

    def _take_state(self, msg: RobotState) -> None:
        if msg.arm_name != self._arm_name:
            return
        self._robot = robot_state_from_msg(msg)
        self._not_ready = "" if msg.ready else msg.message or "arm_not_ready"
        self._heard("arm")

    def _take_gate(self, msg: DiagnosticStatus) -> None:
        """Hear what the checkpoint gate found; without its pass nobody arms."""
        self._checkpoint = None if msg.level == DiagnosticStatus.OK else Finding("checkpoint_refused")

    def _take_command(self, msg: Command) -> None:
        self._heard("controller")
        try:
            command = command_from_msg(msg)
        except InvalidData:
            self._issue(None)
            raise
        self._issue(command)

    def _issue(self, command: types.Command | None) -> None:
        """Judge and publish. Before the arm was seen there is nobody to command."""
        before = self._supervisor.state
        self._verdict = self._supervisor.judge(self.now_ns(), command, self._robot, self._fault())
        if self._robot is not None:
            self._issued.publish(command_to_msg(self._verdict.command))
            self._issued_ns = time.monotonic_ns()
        if self._supervisor.state is not before:
            self._tell()

    def _arm_fault(self) -> Finding | None:
        """What is wrong with the arm or the checkpoint: the other processes need not live to arm or reset."""
        return self._fault(("arm",))

    def _fault(self, names: tuple[str, ...] = WATCHED) -> Finding | None:
        """What is silent among the inputs, or wrong with the arm or the checkpoint; None when all is well."""
        silent = self._watchdog.silent(time.monotonic_ns(), names)
        if silent is not None:
            return Finding(f"silent_{silent[0]}", *silent[1:])
        return Finding("arm_not_ready") if self._not_ready else self._checkpoint

    def _watch(self) -> None:
        """Hold when an input is silent, and speak to the arm while no command makes us."""
        if self._arm_on_start and self._supervisor.arm(self.now_ns(), self._robot, self._arm_fault())[0]:
            self._arm_on_start = False
        quiet = time.monotonic_ns() - self._issued_ns > _QUIET_NS
        if quiet and (self._supervisor.state is not SupervisorState.ACTIVE or self._fault() is not None):
            self._issue(None)
        self._publish_status()

    def _arm(self, request, response):
        ask = self._supervisor.arm if request.data else lambda *_: self._supervisor.disarm()
        return self._answer(response, ask(self.now_ns(), self._robot, self._arm_fault()))

    def _e_stop(self, request, response):
        return self._answer(response, self._supervisor.e_stop())

    def _reset(self, request, response):
        return self._answer(response, self._supervisor.reset(self.now_ns(), self._robot, self._arm_fault()))

    def _answer(self, response, result: tuple[bool, str]):
        """Fill a response, and let the arm feel the new state at once unless it is free to move."""
        response.success, response.message = result
        self.get_logger().info(response.message)
        if self._supervisor.state is not SupervisorState.ACTIVE:
            self._issue(None)
            self._publish_status()
        return response

    def _tell(self) -> None:
        verdict, state = self._verdict, self._supervisor.state.name
        self.get_logger().info(f"{state} {verdict.reason} {verdict.value:.3g} (bound {verdict.bound:.3g})")
        self.report(problem=verdict.reason, state=state)

    def _publish_status(self) -> None:
        verdict, counts, now_ns = self._verdict, self._supervisor.counts, self.now_ns()
        status = SafetyStatus(state=int(self._supervisor.state), age=float("nan"))
        status.header = Header(stamp=Time(sec=now_ns // 10**9, nanosec=now_ns % 10**9))
        status.passed, status.limited, status.held, status.stopped = (counts[kind] for kind in types.VerdictKind)
        if verdict is not None:
            status.verdict, status.reason = int(verdict.kind), verdict.reason
            status.value, status.bound = verdict.value, verdict.bound
            if verdict.command.stamp_ns:
                status.age = (now_ns - verdict.command.stamp_ns) * 1e-9
        self._status.publish(status)


def main(args=None) -> None:
    """Run the node."""
    run(SupervisorNode, args)
