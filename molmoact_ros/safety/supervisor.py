"""The supervisor: DISARMED -> ACTIVE <-> HOLDING -> STOPPED, and one verdict for every command.

Refusals (checks.py) come first, then the target is reshaped (reshape.py). A verdict is never freer than the command.
STOPPED latches until `reset`. Time is an argument; nothing here raises on bad input: bad input is a hold with a name.
"""

from dataclasses import replace
from enum import IntEnum

import numpy as np

from ..geometry import quaternion_from_rotation
from ..types import ArmProfile, Command, RobotState, Verdict, VerdictKind
from .checks import Finding, check_age, check_following, check_form, check_state
from .config import SafetyConfig
from .habits import CommandRate, GripperTurns
from .limits import Limits
from .reshape import Budget, Reference, Reshaper

# Time that was not used by slow steps is kept up to this much: clocks tick unevenly, the arm moves evenly.
_LARGEST_BUDGET_S = 0.04
_LEAST_SHARE = 0.1


class SupervisorState(IntEnum):
    """Whether the arm may move."""

    DISARMED = 0
    ACTIVE = 1
    HOLDING = 2
    STOPPED = 3


class Supervisor:
    """Judge commands for one arm. `judge` once per command, or with command None when the watchdog asks."""

    def __init__(self, config: SafetyConfig, profile: ArmProfile):
        self._config, self._limits = config, Limits(config, profile)
        self._reshaper = Reshaper(config, self._limits)
        self._rate, self._turns = CommandRate(config), GripperTurns(config)
        self.state = SupervisorState.DISARMED
        self.counts = dict.fromkeys(VerdictKind, 0)
        self._stop_cause = Finding("")
        self._reference: Reference | None = None
        self._gripper_m: np.ndarray | None = None
        self._q = np.zeros(7)
        self._last_ns: int | None = None
        self._budget_s = 0.0
        self._well_since_ns: int | None = None
        self._resumed_ns: int | None = None

    def judge(
        self, now_ns: int, command: Command | None, robot: RobotState | None, fault: Finding | None = None
    ) -> Verdict:
        """Return what may be issued now. `fault`: what the watchdog found (silent input, arm that is not ready)."""
        self._pass_time(now_ns)
        self._look_at(robot)
        flood = None if command is None else self._rate.check(now_ns)
        refused = fault or flood or self._refusal(now_ns, command, robot)
        if self.state is SupervisorState.STOPPED:
            return self._held(now_ns, command, VerdictKind.STOP, self._stop_cause)
        if self.state is SupervisorState.DISARMED:
            return self._held(now_ns, command, VerdictKind.HOLD, Finding("disarmed"))
        if refused is None:
            refused = self._resuming(now_ns)
        else:
            self._well_since_ns = None
        if refused is not None:
            self.state = SupervisorState.HOLDING
            return self._held(now_ns, command, VerdictKind.HOLD, refused)
        self._activate(now_ns)
        return self._passed(command) if command.space == "hold" else self._reshaped(now_ns, command, robot)

    def arm(self, now_ns: int, robot: RobotState | None, fault: Finding | None = None) -> tuple[bool, str]:
        """Let the arm move from now on. Refused when stopped, or while the arm's state is not known and fresh."""
        if self.state is SupervisorState.STOPPED:
            return False, f"stopped ({self._stop_cause.reason}); reset first"
        if self.state is not SupervisorState.DISARMED:
            return True, "already armed"
        found = fault or check_state(now_ns, robot, self._config, self._limits)
        if found is not None:
            return False, f"not armed: {found.reason}"
        self.state, self._well_since_ns = SupervisorState.HOLDING, None
        return True, "armed"

    def disarm(self) -> tuple[bool, str]:
        """Hold until `arm`. A stop stays a stop."""
        if self.state is SupervisorState.STOPPED:
            return False, "stopped; reset leads to disarmed"
        self.state = SupervisorState.DISARMED
        return True, "disarmed"

    def e_stop(self, cause: str = "e_stop") -> tuple[bool, str]:
        """Stop now and stay stopped until `reset`."""
        if self.state is not SupervisorState.STOPPED:
            self.state, self._stop_cause = SupervisorState.STOPPED, Finding(cause)
        return True, f"stopped: {self._stop_cause.reason}"

    def reset(self, now_ns: int, robot: RobotState | None, fault: Finding | None = None) -> tuple[bool, str]:
        """Leave STOPPED for DISARMED, once the arm's state is known and the arm is at rest."""
        if self.state is not SupervisorState.STOPPED:
            return False, "not stopped"
        found = fault or check_state(now_ns, robot, self._config, self._limits)
        if found is not None:
            return False, f"still stopped: {found.reason}"
        if np.abs(robot.dq).max() > self._config.rest_speed:
            return False, "still stopped: the arm moves"
        self.state = SupervisorState.DISARMED
        return True, "disarmed"

    def _refusal(self, now_ns: int, command: Command | None, robot: RobotState | None) -> Finding | None:
        found = (
            check_state(now_ns, robot, self._config, self._limits)
            or check_form(command, self._config)
            or check_age(now_ns, command, self._config)
        )
        if found is None and self._reference is not None and command.space != "hold":
            found = check_following(self._reference.q, robot, self._config)
        return found

    def _resuming(self, now_ns: int) -> Finding | None:
        """After a hold, wait until everything was well for a while."""
        if self.state is SupervisorState.ACTIVE:
            return None
        if self._well_since_ns is None:
            self._well_since_ns = now_ns
        well_s = (now_ns - self._well_since_ns) * 1e-9
        bound = self._config.resume_after_s
        return None if well_s >= bound else Finding("resuming", well_s, bound)

    def _activate(self, now_ns: int) -> None:
        if self.state is not SupervisorState.ACTIVE:
            self.state, self._resumed_ns, self._reference = SupervisorState.ACTIVE, now_ns, None

    def _reshaped(self, now_ns: int, command: Command, robot: RobotState) -> Verdict:
        reference = self._reference or self._reference_at(robot)
        reshape = self._reshaper.joints if command.space == "joint" else self._reshaper.tip
        out = reshape(command.targets[0], robot, reference, Budget(self._budget_s, self._share(now_ns)))
        if out.refused is not None:
            self.state, self._well_since_ns = SupervisorState.HOLDING, None
            return self._held(now_ns, command, VerdictKind.HOLD, out.refused)
        self._budget_s = max(self._budget_s - out.used_s, 0.0)
        q = out.target if command.space == "joint" else robot.q
        self._reference = Reference(out.target, q, out.T)
        width_m = np.clip(command.gripper_width_m, 0.0, self._limits.gripper_max_m)
        if (width_m != command.gripper_width_m).any():
            out.limit("gripper_range", command.gripper_width_m[0], width_m[0])
        width_m[0], turning = self._turns.allowed(now_ns, float(width_m[0]))
        if turning is not None:
            out.limit(turning.reason, turning.value, turning.bound)
        self._gripper_m = width_m
        if out.limited is None:
            return self._count(Verdict(VerdictKind.PASS, command))
        limited = replace(command, targets=out.target[None], gripper_width_m=self._gripper_m)
        found = out.limited
        return self._count(Verdict(VerdictKind.LIMIT, limited, found.reason, found.value, found.bound))

    def _passed(self, command: Command) -> Verdict:
        """The controller itself wants to rest: nothing to tighten, but the gripper stays as it is."""
        self._reference = None
        return self._count(Verdict(VerdictKind.PASS, self._rest(command.issued_ns, command)))

    def _held(self, now_ns: int, command: Command | None, kind: VerdictKind, found: Finding) -> Verdict:
        self._reference = None
        return self._count(Verdict(kind, self._rest(now_ns, command), found.reason, found.value, found.bound))

    def _rest(self, issued_ns: int, command: Command | None) -> Command:
        """Return a hold that keeps the gripper's last width: a hold neither drops nor squeezes anything."""
        width = [self._limits.gripper_max_m] if self._gripper_m is None else self._gripper_m
        cause = (
            (0, issued_ns, 0, 0)
            if command is None
            else (command.stamp_ns, issued_ns, command.sequence, command.plan_id)
        )
        return Command(*cause, "hold", self._q[None], width, (self._config.arm_name,))

    def _count(self, verdict: Verdict) -> Verdict:
        self.counts[verdict.kind] += 1
        return verdict

    def _reference_at(self, robot: RobotState) -> Reference:
        """A motion starts from where the arm is."""
        if self._config.command_space == "joint":
            return Reference(robot.q, robot.q, self._limits.chain.pose(robot.q))
        tip = np.concatenate([robot.T_base_ee[:3, 3], quaternion_from_rotation(robot.T_base_ee[:3, :3])])
        return Reference(tip, robot.q, robot.T_base_ee)

    def _share(self, now_ns: int) -> float:
        """Share of the speed limits: grows from a tenth to all of it after a hold."""
        if self._config.ramp_s <= 0.0 or self._resumed_ns is None:
            return 1.0
        return min(max((now_ns - self._resumed_ns) * 1e-9 / self._config.ramp_s, _LEAST_SHARE), 1.0)

    def _pass_time(self, now_ns: int) -> None:
        """Let the step budget grow with the clock. A clock that was set back makes everything start from a hold."""
        passed_ns = 0 if self._last_ns is None else now_ns - self._last_ns
        self._last_ns = now_ns
        if passed_ns < 0:
            self._well_since_ns = self._resumed_ns = self._reference = None
            if self.state is SupervisorState.ACTIVE:
                self.state = SupervisorState.HOLDING
        self._budget_s = min(max(self._budget_s + passed_ns * 1e-9, 0.0), _LARGEST_BUDGET_S)

    def _look_at(self, robot: RobotState | None) -> None:
        """Remember where the arm is, and what the gripper holds before it was ever commanded."""
        if robot is None or not np.isfinite(robot.q).all():
            return
        self._q = robot.q
        if self._gripper_m is None and np.isfinite(robot.gripper_width_m):
            self._gripper_m = np.array([robot.gripper_width_m])
