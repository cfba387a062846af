"""The arm through franky: streamed setpoints become jerk-limited motions; silence and trouble become rest."""

import socket
import time

import franky
import numpy as np

from ..errors import MissingPart
from ..types import Command, RobotState
from .config import ArmConfig
from .gripper import GripperWorker
from .profile import FR3

FCI_PORT = 1337
AT_REST_RAD_S = 0.01
# The state is a few ticks old when a motion that starts from it takes over.
STATE_AGE_S = 0.004
_KNOCK_PERIOD_S = 0.1
# franky.Exception is libfranka's: control, command, network, protocol, version and real-time errors.
_TROUBLE = (franky.Exception, franky.InvalidMotionTypeException, franky.GripperException, RuntimeError)
_SIGNAL = {"joint": franky.ControlSignalType.JointPositions, "ee": franky.ControlSignalType.CartesianPose}


def _check_reachable(host: str, timeout_s: float) -> None:
    """Fail within `timeout_s` where libfranka would wait for minutes. Knock again while a robot is still starting."""
    end = time.monotonic() + timeout_s
    while (problem := _knock(host, timeout_s)) is not None:
        if time.monotonic() > end:
            raise MissingPart(
                f"no robot answers at {host}:{FCI_PORT} ({problem.strerror or problem})",
                "a robot with the control interface (FCI) switched on",
                "Check robot_ip, the cable, and that FCI is active in Franka Desk.",
            ) from problem
        time.sleep(_KNOCK_PERIOD_S)


def _knock(host: str, timeout_s: float) -> OSError | None:
    try:
        socket.create_connection((host, FCI_PORT), timeout_s).close()
    except OSError as error:
        return error
    return None


class Arm:
    """One arm and its gripper. `apply`, `hold` and `watch` return at once and never raise."""

    def __init__(self, config: ArmConfig):
        self.config = config
        _check_reachable(config.robot_ip, config.connect_timeout_s)
        realtime = franky.RealtimeConfig.Enforce if config.realtime else franky.RealtimeConfig.Ignore
        try:
            self._robot = franky.Robot(config.robot_ip, realtime_config=realtime)
            self._robot.recover_from_errors()
            self._robot.set_collision_behavior(config.collision_torque_nm, config.collision_force_n)
            self.gripper = GripperWorker(
                config.robot_ip, config.grasp_force_n, config.gripper_speed, FR3.gripper_max_width_m
            )
        except _TROUBLE as error:
            raise MissingPart(
                f"the robot at {config.robot_ip} refuses the connection ({str(error).splitlines()[0]})",
                "an idle FR3 in execution mode with a compatible system version",
                "Unlock the joints, activate FCI, end other clients; without a real-time kernel set realtime:=false.",
            ) from error
        self._factor = franky.RelativeDynamicsFactor(
            config.velocity_factor, config.acceleration_factor, config.jerk_factor
        )
        self._space: str | None = None
        self._heard_s: float | None = None
        self.fault = ""

    def apply(self, command: Command, now_s: float) -> None:
        """Follow one issued command; `now_s` is the steady clock. A hold says nothing about the gripper."""
        self._heard_s = now_s
        if command.space == "hold":
            self.hold()
            return
        if self.config.dry_run or self.fault:
            return
        if self._robot.current_control_signal_type not in (None, _SIGNAL[command.space]):
            # The robot cannot change the kind of setpoint in flight: come to rest first.
            self.hold()
            return
        target = command.targets[0]
        if not np.all(np.isfinite(target)):
            self.hold()
            return
        self.gripper.want(float(command.gripper_width_m[0]))
        self._try(self._move, command.space, target)

    def _move(self, space: str, target) -> None:
        if space == "joint":
            state = franky.JointState(target)
            motion = franky.JointMotion(state, relative_dynamics_factor=self._factor, return_when_finished=False)
        else:
            pose = franky.Affine(target[:3], target[3:])
            motion = franky.CartesianMotion(pose, relative_dynamics_factor=self._factor, return_when_finished=False)
        self._robot.move(motion, asynchronous=True)
        self._space = space

    def hold(self) -> None:
        """Bring the arm to rest as fast as its limits allow; the gripper keeps what it holds."""
        if self.fault and self.config.auto_recover:
            self.recover()
        if self._space is None:
            return
        stop = self._stop_joints if self._space == "joint" else self._stop_tip
        self._space = None
        self._try(stop)

    def _stop_joints(self) -> None:
        """Go to where the joints can come to rest at full deceleration, v^2 / 2a ahead.

        franky's JointStopMotion returns to where the stop was asked for, which takes twice as long.
        """
        state = self._robot.state
        speed, limit = np.asarray(state.dq_d), np.asarray(self._robot.joint_acceleration_limit.get())
        way = speed * np.abs(speed) / (2 * limit) + speed * STATE_AGE_S
        self._robot.move(franky.JointMotion(franky.JointState(np.asarray(state.q_d) + way)), asynchronous=True)

    def _stop_tip(self) -> None:
        self._robot.move(franky.CartesianStopMotion(), asynchronous=True)

    def watch(self, now_s: float) -> bool:
        """Hold when commands stopped; return whether they did."""
        silent = self._heard_s is None or now_s - self._heard_s > self.config.watchdog_s
        if silent:
            self.hold()
        return silent

    def _try(self, action, *arguments) -> None:
        try:
            action(*arguments)
        except _TROUBLE as error:
            self.fault, self._space = str(error).splitlines()[0], None

    def recover(self) -> str:
        """Ask the robot to leave its error state, at rest; return what still stands in the way, "" for nothing."""
        try:
            if self._robot.recover_from_errors():
                self.fault = ""
        except _TROUBLE as error:
            self.fault = str(error).splitlines()[0]
        return self.fault

    def state(self, stamp_ns: int) -> RobotState | None:
        """Return the arm's state with `stamp_ns`; None while the robot does not answer."""
        try:
            # A motion that ended in an error says so here, not where it was started.
            self._robot.poll_motion()
        except _TROUBLE as error:
            self.fault, self._space = str(error).splitlines()[0], None
        try:
            state = self._robot.state
        except _TROUBLE as error:
            self.fault = str(error).splitlines()[0]
            return None
        T = np.asarray(state.O_T_EE.matrix)
        return RobotState(stamp_ns, state.q, state.dq, T, self.gripper.width_m, state.O_F_ext_hat_K)

    @property
    def problem(self) -> str:
        """Why the arm is not ready, "" when it is."""
        return self.fault or self.gripper.problem

    def close(self) -> None:
        """Come to rest and let go of the robot."""
        self.hold()
        self.gripper.close()
        self._try(self._robot.join_motion, 1.0)
