"""A course: the rows of one chunk as poses with the moments at which they are due."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ..geometry import quaternion_from_rotation, rotation_from_rpy
from ..rotation import IDENTITY, multiply, slerp
from ..types import ActionChunk, RobotState

_LARGEST_ANGLE_RAD = 4 * np.pi
_LONGEST_STEP_S = 10.0
_HISTORY_NS = 5_000_000_000
_NEAR_NS = 200_000_000


class RefusedChunk(Exception):
    """Why a chunk cannot become a course; `name` is a fixed identifier. Never leaves this room."""

    def __init__(self, name: str, detail: str):
        self.name, self.detail = name, detail
        super().__init__(f"{name}: {detail}")


@dataclass(frozen=True)
class Pose:
    """Position (3,) [m], quaternion (4,) x y z w, gripper value of the last row that is due (None = none yet)."""

    position: np.ndarray
    quaternion: np.ndarray
    gripper: float | None = None


@dataclass(frozen=True)
class Course:
    """Rows as arrays: due_ns (H,), positions (H, 3), quaternions (H, 4), grippers (H,)."""

    plan_id: int
    stamp_ns: int
    due_ns: np.ndarray
    positions: np.ndarray
    quaternions: np.ndarray
    grippers: np.ndarray

    def at(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return position and quaternion wanted at `now_ns`: between rows straight, outside of them the nearest row."""
        row = int(np.searchsorted(self.due_ns, now_ns, side="right"))
        if row == 0:
            return self.positions[0], self.quaternions[0]
        if row == len(self.due_ns):
            return self.positions[-1], self.quaternions[-1]
        begin, end = int(self.due_ns[row - 1]), int(self.due_ns[row])
        share = (now_ns - begin) / (end - begin)
        position = self.positions[row - 1] + share * (self.positions[row] - self.positions[row - 1])
        return position, slerp(self.quaternions[row - 1], self.quaternions[row], share)

    @property
    def end_ns(self) -> int:
        """The moment at which the last row is due."""
        return int(self.due_ns[-1])


class PoseHistory:
    """Where the tip was in the last seconds, for chunks that are relative to the moment of the picture."""

    def __init__(self):
        self._states: deque[RobotState] = deque()

    def push(self, state: RobotState) -> None:
        """Keep a state that is newer than the ones before."""
        if self._states and state.stamp_ns <= self._states[-1].stamp_ns:
            return
        self._states.append(state)
        while state.stamp_ns - self._states[0].stamp_ns > _HISTORY_NS:
            self._states.popleft()

    def at(self, stamp_ns: int) -> np.ndarray | None:
        """Return T_base_ee (4, 4) nearest to the stamp, None when none is within 0.2 s."""
        nearest = min(self._states, key=lambda s: abs(s.stamp_ns - stamp_ns), default=None)
        return None if nearest is None or abs(nearest.stamp_ns - stamp_ns) > _NEAR_NS else nearest.T_base_ee

    def clear(self) -> None:
        """Forget everything (the clock was set back)."""
        self._states.clear()


def check_chunk(chunk: ActionChunk, arm_name: str) -> None:
    """Refuse a chunk that cannot mean a motion of this arm. Raises RefusedChunk."""
    if tuple(chunk.arm_names) != (arm_name,):
        raise RefusedChunk("wrong_arm", f"chunk for {chunk.arm_names}, this controller moves ('{arm_name}',)")
    if not chunk.finite or not np.isfinite(chunk.dt_s):
        raise RefusedChunk("not_finite", "the chunk contains NaN or infinity")
    if chunk.dt_s > _LONGEST_STEP_S or chunk.dt_s < 1e-3:
        raise RefusedChunk("implausible_step", f"rows {chunk.dt_s} s apart")
    if np.abs(chunk.actions[:, 3:6]).max() > _LARGEST_ANGLE_RAD:
        raise RefusedChunk("implausible_angle", f"an angle of {np.abs(chunk.actions[:, 3:6]).max():.3g} rad")


def course_of(plan_id: int, chunk: ActionChunk, history: PoseHistory, reach_m: float) -> Course:
    """Turn a checked chunk into poses in the base frame. Raises RefusedChunk."""
    positions = chunk.actions[:, :3]
    rotations = [quaternion_from_rotation(rotation_from_rpy(rpy)) for rpy in chunk.actions[:, 3:6]]
    if chunk.convention == "delta_base":
        start = history.at(chunk.stamp_ns)
        if start is None:
            raise RefusedChunk("no_pose_at_stamp", "the pose of the arm at the chunk's stamp is not known")
        positions = start[:3, 3] + np.cumsum(np.clip(positions, -reach_m, reach_m), axis=0)
        rotations = _summed(quaternion_from_rotation(start[:3, :3]), rotations)
    farthest = np.abs(positions).max()
    if farthest > reach_m or np.linalg.norm(positions, axis=1).max() > reach_m:
        raise RefusedChunk("implausible_position", f"a position {farthest:.3g} m from the base")
    step_ns = round(chunk.dt_s * 1e9)
    due_ns = chunk.stamp_ns + step_ns * np.arange(1, len(positions) + 1, dtype=np.int64)
    return Course(plan_id, chunk.stamp_ns, due_ns, positions, np.array(rotations), chunk.actions[:, 6])


def _summed(start, turns) -> list[np.ndarray]:
    """Add turns about base axes one after the other."""
    out, rotation = [], multiply(start, IDENTITY)
    for turn in turns:
        rotation = multiply(turn, rotation)
        out.append(rotation / np.linalg.norm(rotation))
    return out
