"""The time-aligned chunk buffer: which pose is wanted now.

Row k of a chunk is due at stamp + (k + 1) * dt. Inference takes time, so the first rows of a new plan are usually in
the past: they are skipped, never replayed. The course passes over from the current setpoint to the new plan.
"""

import numpy as np

from ..rotation import IDENTITY, conjugate, multiply, slerp
from ..types import Plan
from .config import ControlConfig
from .course import Course, Pose, PoseHistory, RefusedChunk, check_chunk, course_of

_FUTURE_NS = 50_000_000


class ChunkBuffer:
    """Hold one course and, until the next `adopt`, one waiting plan (newest wins)."""

    def __init__(self, config: ControlConfig):
        self._config = config
        self._waiting: Plan | None = None
        self._waiting_since_ns: int | None = None
        self.course: Course | None = None
        self._adopted_ns = 0
        self._offset, self._turn = np.zeros(3), IDENTITY

    def ready(self, now_ns: int) -> bool:
        """Whether a plan waits for `adopt`; a running course keeps its committed time first."""
        if self._waiting is None:
            self._waiting_since_ns = None
            return False
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns
        running = self.course is not None and now_ns < self.course.end_ns
        return not running or now_ns - self._waiting_since_ns >= self._config.commit_s * 1e9

    @property
    def newest_stamp_ns(self) -> int:
        """Stamp of the newest plan that was taken, -1 before the first."""
        stamps = [p.stamp_ns for p in (self._waiting, self.course) if p is not None]
        return max(stamps, default=-1)

    def put(self, plan: Plan) -> None:
        """Keep a plan for the next tick. Raises RefusedChunk; the course is then as it was."""
        check_chunk(plan.chunk, self._config.arm_name)
        if plan.stamp_ns <= self.newest_stamp_ns:
            raise RefusedChunk("older_plan", "a plan from the same or a newer picture is already there")
        self._waiting = plan

    def adopt(self, now_ns: int, position, quaternion, history: PoseHistory) -> None:
        """Make the waiting plan the course, passing over from the given setpoint. Raises RefusedChunk."""
        plan, self._waiting, self._waiting_since_ns = self._waiting, None, None
        age_s = (now_ns - plan.stamp_ns) * 1e-9
        if age_s > self._config.max_plan_age_s:
            raise RefusedChunk("plan_too_old", f"the picture behind it is {age_s:.2f} s old")
        if plan.stamp_ns > now_ns + _FUTURE_NS:
            raise RefusedChunk("plan_from_future", f"its stamp is {-age_s:.2f} s ahead")
        course = course_of(plan.plan_id, plan.chunk, history, self._config.plausible_reach_m)
        if course.end_ns <= now_ns:
            raise RefusedChunk("plan_late", "every row was already due")
        wanted_position, wanted_quaternion = course.at(self._ahead(now_ns))
        self._offset = position - wanted_position
        self._turn = multiply(quaternion, conjugate(wanted_quaternion))
        self.course, self._adopted_ns = course, now_ns

    def sample(self, now_ns: int) -> Pose | None:
        """Return the pose wanted at `now_ns`; None when there is nothing to do or the course has run dry."""
        course = self.course
        if course is None or now_ns > course.end_ns + self._config.settle_s * 1e9:
            return None
        position, quaternion = course.at(self._ahead(now_ns))
        left = self._share_left(now_ns)
        if left > 0.0:
            position = position + left * self._offset
            quaternion = multiply(slerp(IDENTITY, self._turn, left), quaternion)
        return Pose(position, quaternion, self._gripper(now_ns))

    def clear(self) -> None:
        """Forget course and waiting plan (the clock was set back)."""
        self._waiting = self.course = None

    def _ahead(self, now_ns: int) -> int:
        """The moment of the course that a setpoint of now is for: the arm gets there later by its lag.

        A new plan starts from where the arm was seen, not from its setpoint. Without the look-ahead it would call
        the setpoint back by the lag every time, and the arm would swing.
        """
        return now_ns + int(self._config.lookahead_s * 1e9)

    def _share_left(self, now_ns: int) -> float:
        """How much of the distance between the old setpoint and the new course is still kept: 1 at adoption, then 0."""
        return min(max(1.0 - (now_ns - self._adopted_ns) * 1e-9 / self._config.blend_s, 0.0), 1.0)

    def _gripper(self, now_ns: int) -> float | None:
        """Value of the row that is being approached: a row's gripper acts while the tip moves to its pose."""
        row = int(np.searchsorted(self.course.due_ns, now_ns, side="right"))
        return float(self.course.grippers[min(row, len(self.course.grippers) - 1)])
