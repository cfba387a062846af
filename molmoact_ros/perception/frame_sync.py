"""Pair colour, depth, wrist image and robot state by stamp. Pure: no clock, bounded memory, any order of arrival."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from ..geometry import quaternion_from_rotation, rotation_from_quaternion, transform
from ..rotation import slerp
from ..types import Frame, RobotState
from .config import PerceptionConfig

IMAGES_KEPT = 6
STATES_KEPT = 256
# A stamp this far behind the newest of its stream means that the clock was set back (a new bag, a new simulator).
CLOCK_RESET_S = 1.0
# States further apart than this are not interpolated: the arm may have done anything in between.
MAX_INTERPOLATION_S = 0.1


class Stream:
    """The newest values of one source, sorted by stamp [ns]; the first of two equal stamps wins."""

    def __init__(self, capacity: int):
        self.stamps, self.values = [], []
        self._capacity = capacity

    def add(self, stamp_ns: int, value) -> bool:
        """Insert a value; False when it is a duplicate or older than everything that is kept."""
        at = bisect_left(self.stamps, stamp_ns)
        full = len(self.stamps) == self._capacity
        if (at < len(self.stamps) and self.stamps[at] == stamp_ns) or (full and at == 0):
            return False
        self.stamps.insert(at, stamp_ns)
        self.values.insert(at, value)
        if full:
            del self.stamps[0], self.values[0]
        return True

    def nearest(self, stamp_ns: int, tolerance_ns: float):
        """Return the value closest to `stamp_ns` within the tolerance, or None."""
        at = bisect_left(self.stamps, stamp_ns)
        near = min(range(max(at - 1, 0), min(at + 1, len(self.stamps))), default=None,
                   key=lambda i: abs(self.stamps[i] - stamp_ns))  # fmt: skip
        if near is None or abs(self.stamps[near] - stamp_ns) > tolerance_ns:
            return None
        return self.values[near]

    def around(self, stamp_ns: int):
        """Return the values just before (or at) and after the stamp; None where there is none."""
        at = bisect_left(self.stamps, stamp_ns)
        if at < len(self.stamps) and self.stamps[at] == stamp_ns:
            return self.values[at], self.values[at]
        before = self.values[at - 1] if at > 0 else None
        return before, self.values[at] if at < len(self.values) else None

    def clear(self) -> None:
        """Forget everything."""
        self.stamps.clear()
        self.values.clear()


@dataclass(frozen=True)
class View:
    """How the first camera sees: K (3, 3) [px], T_base_camera (4, 4)."""

    K: np.ndarray
    T_base_camera: np.ndarray


class FrameSync:
    """Four inputs, one output: every push returns a Frame when it completed one that is newer than the last.

    A colour image needs a depth image within `pair_tolerance_s` and the robot at its stamp: interpolated between the
    states around it, or the nearest within `robot_tolerance_s`. The wrist image is added when one is near enough.
    """

    def __init__(self, config: PerceptionConfig, view: View):
        self._view = view
        self._pair_ns = config.pair_tolerance_s * 1e9
        self._wrist_ns = config.wrist_tolerance_s * 1e9
        self._robot_ns = config.robot_tolerance_s * 1e9
        self._color, self._depth, self._wrist = (Stream(IMAGES_KEPT) for _ in range(3))
        self._robot = Stream(STATES_KEPT)
        self._last_ns = None

    def push_color(self, stamp_ns: int, image) -> Frame | None:
        """Take the first camera's image (h, w, 3) uint8 RGB."""
        return self._push(self._color, stamp_ns, image)

    def push_depth(self, stamp_ns: int, depth_m) -> Frame | None:
        """Take depth (h, w) float32 [m], NaN = no reading, aligned to colour."""
        return self._push(self._depth, stamp_ns, depth_m)

    def push_wrist(self, stamp_ns: int, image) -> Frame | None:
        """Take the wrist camera's image (h, w, 3) uint8 RGB."""
        return self._push(self._wrist, stamp_ns, image)

    def push_robot(self, state: RobotState) -> Frame | None:
        """Take the arm's state."""
        return self._push(self._robot, state.stamp_ns, state)

    def _push(self, stream: Stream, stamp_ns: int, value) -> Frame | None:
        # Compared within one stream: a stream that merely lags behind the others must not look like a reset.
        if stream.stamps and stamp_ns < stream.stamps[-1] - CLOCK_RESET_S * 1e9:
            self._forget()
        return self._newest_frame() if stream.add(stamp_ns, value) else None

    def _forget(self) -> None:
        for stream in (self._color, self._depth, self._wrist, self._robot):
            stream.clear()
        self._last_ns = None

    def _newest_frame(self) -> Frame | None:
        """Complete the newest colour image that has its partners and is newer than the last frame."""
        for stamp_ns, image in zip(reversed(self._color.stamps), reversed(self._color.values)):
            if self._last_ns is not None and stamp_ns <= self._last_ns:
                return None
            depth = self._depth.nearest(stamp_ns, self._pair_ns)
            robot = self._robot_at(stamp_ns) if depth is not None else None
            if robot is not None:
                self._last_ns = stamp_ns
                return self._frame(stamp_ns, image, depth, robot)
        return None

    def _robot_at(self, stamp_ns: int) -> RobotState | None:
        before, after = self._robot.around(stamp_ns)
        if before is not None and after is not None:
            if after.stamp_ns - before.stamp_ns <= MAX_INTERPOLATION_S * 1e9:
                return interpolate(before, after, stamp_ns)
        return self._robot.nearest(stamp_ns, self._robot_ns)

    def _frame(self, stamp_ns: int, image, depth, robot: RobotState) -> Frame:
        images = {"front": image}
        wrist = self._wrist.nearest(stamp_ns, self._wrist_ns)
        if wrist is not None:
            images["wrist"] = wrist
        return Frame(stamp_ns, images, depth, self._view.K, self._view.T_base_camera, robot)


def interpolate(a: RobotState, b: RobotState, stamp_ns: int) -> RobotState:
    """Return the state at `stamp_ns` between `a` and `b`: linear, orientation on the shortest arc."""
    if a.stamp_ns == b.stamp_ns:
        return a
    share = (stamp_ns - a.stamp_ns) / (b.stamp_ns - a.stamp_ns)

    def mix(x, y):
        return x + share * (y - x)

    quaternions = (quaternion_from_rotation(s.T_base_ee[:3, :3]) for s in (a, b))
    T = transform(rotation_from_quaternion(slerp(*quaternions, share)), mix(a.T_base_ee[:3, 3], b.T_base_ee[:3, 3]))
    width = mix(a.gripper_width_m, b.gripper_width_m)
    return RobotState(stamp_ns, mix(a.q, b.q), mix(a.dq, b.dq), T, width, mix(a.wrench, b.wrench))
