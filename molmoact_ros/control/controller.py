"""The controller: plans in, one command per tick out. Nothing in here waits, and nothing raises."""

import numpy as np

from ..geometry import quaternion_from_rotation
from ..types import ArmProfile, Command, Plan, Refusal, RobotState
from .chunk_buffer import ChunkBuffer
from .config import ControlConfig
from .course import Pose, PoseHistory, RefusedChunk
from .homing import Homing
from .setpoints import Setpoint, SetpointGenerator, at_rest


class Controller:
    """Turn the newest plan into setpoints; hold when there is nothing (more) to do or the arm is not known.

    After each `tick`, `reason` names why it holds ("" while it follows a plan) and `refusal` the last plan that was
    not taken.
    """

    def __init__(self, config: ControlConfig, profile: ArmProfile):
        self._config = config
        self._buffer = ChunkBuffer(config)
        self._generator = SetpointGenerator(profile, config)
        self._history = PoseHistory()
        self._homing = Homing(profile)
        self._setpoint: Setpoint | None = None
        self._last_ns = 0
        self._sequence = 0
        self._gripper_m: float | None = None
        self._gripped_ns: int | None = None
        self.reason = "no_plan"
        self.refusal: Refusal | None = None

    def set_plan(self, plan: Plan) -> Refusal | None:
        """Offer a plan; the next tick adopts it. A refused plan changes nothing and its refusal is returned."""
        try:
            if self._homing.active:
                raise RefusedChunk("going_home", "the arm goes home first")
            self._buffer.put(plan)
        except RefusedChunk as refused:
            return self._refuse(plan.stamp_ns, refused)
        return None

    def go_home(self) -> None:
        """Forget all plans and go to the home pose; plans are refused until the arm is there."""
        self._buffer.clear()
        self._homing.start()

    def tick(self, now_ns: int, robot: RobotState | None) -> Command:
        """Return the command for this moment: the next setpoint, or a hold. `now_ns` and stamps are ROS time."""
        dt_s = self._elapsed(now_ns)
        self._sequence += 1
        if robot is None or not self._usable(now_ns, robot):
            return self._hold(now_ns, "no_robot_state")
        self._history.push(robot)
        if self._gripper_m is None:
            self._gripper_m = robot.gripper_width_m
        measured = robot.T_base_ee[:3, 3], quaternion_from_rotation(robot.T_base_ee[:3, :3]), robot.q
        self._adopt(now_ns, measured)
        wanted = self._homing.wanted(now_ns, robot) if self._homing.active else self._buffer.sample(now_ns)
        if wanted is None:
            return self._hold(now_ns, "no_plan" if self._buffer.course is None else "ran_dry")
        return self._move(now_ns, dt_s, wanted, measured)

    def _move(self, now_ns: int, dt_s: float, wanted: Pose, measured) -> Command:
        if self._setpoint is None:
            self._setpoint = at_rest(*measured)
        if self._waits_for_fingers(now_ns):
            wanted = Pose(self._setpoint.wanted_position, self._setpoint.wanted_quaternion)
        self._generator.advance(self._setpoint, wanted.position, wanted.quaternion, measured, dt_s)
        self._grip(now_ns, wanted.gripper)
        self.reason = "going_home" if self._homing.active else ""
        s = self._setpoint
        targets = s.q if self._config.command_space == "joint" else np.concatenate([s.position, s.quaternion])
        return self._command(now_ns, self._config.command_space, targets)

    def _adopt(self, now_ns: int, measured) -> None:
        if not self._buffer.ready(now_ns):
            return
        now = self._setpoint
        position, quaternion = measured[:2] if now is None else (now.position, now.quaternion)
        try:
            self._buffer.adopt(now_ns, position, quaternion, self._history)
        except RefusedChunk as refused:
            self._refuse(now_ns, refused)
            return
        if now is not None:
            now.wanted_position, now.wanted_quaternion = position, quaternion

    def _grip(self, now_ns: int, value: float | None) -> None:
        """Follow the row that is being approached; without one leave the gripper as it is."""
        if value is None:
            return
        is_open = value > self._config.gripper_threshold
        was_open = self._gripper_m > (self._config.gripper_open_m + self._config.gripper_closed_m) / 2
        self._gripper_m = self._config.gripper_open_m if is_open else self._config.gripper_closed_m
        if is_open != was_open:
            self._gripped_ns = now_ns

    def _waits_for_fingers(self, now_ns: int) -> bool:
        """Whether the fingers move, or no plan has yet seen what they did: the tip stays, and they finish.

        A picture of half-closed fingers is a poor reason to move on or to change one's mind.
        """
        if self._gripped_ns is None or self._homing.active:
            return False
        if now_ns - self._gripped_ns > self._config.gripper_wait_s * 1e9:
            return False
        course = self._buffer.course
        return course is None or course.stamp_ns < self._gripped_ns + self._config.gripper_travel_s * 1e9

    def _hold(self, now_ns: int, reason: str) -> Command:
        """Come to rest; the next motion starts from where the arm is then."""
        self._setpoint, self.reason = None, reason
        return self._command(now_ns, "hold", np.zeros(7))

    def _command(self, now_ns: int, space: str, targets) -> Command:
        course = self._buffer.course
        # A way home has no picture behind it; the operator's wish is as fresh as the tick.
        no_course_stamp_ns = 0 if space == "hold" else now_ns
        return Command(
            stamp_ns=no_course_stamp_ns if course is None else course.stamp_ns,
            issued_ns=now_ns,
            sequence=self._sequence,
            plan_id=0 if course is None else course.plan_id,
            space=space,
            targets=targets[None],
            gripper_width_m=[self._config.gripper_open_m if self._gripper_m is None else self._gripper_m],
            arm_names=(self._config.arm_name,),
        )

    def _elapsed(self, now_ns: int) -> float:
        """Seconds since the tick before. A clock that was set back starts everything anew."""
        dt_ns, self._last_ns = now_ns - self._last_ns, now_ns
        if dt_ns < 0:
            self._buffer.clear()
            self._history.clear()
            self._homing.stop()
            self._setpoint = None
        return max(dt_ns, 0) * 1e-9

    def _usable(self, now_ns: int, robot: RobotState) -> bool:
        values = (robot.q, robot.dq, robot.T_base_ee, robot.gripper_width_m)
        fresh = abs(now_ns - robot.stamp_ns) <= self._config.max_state_age_s * 1e9
        return fresh and all(np.isfinite(v).all() for v in values)

    def _refuse(self, stamp_ns: int, refused: RefusedChunk) -> Refusal:
        self.refusal = Refusal(stamp_ns, refused.name, refused.detail)
        return self.refusal
