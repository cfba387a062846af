"""What the rows of a chunk are measured from. The one place where a model's own frame meets poses in the base frame.

A row is x, y, z, roll, pitch, yaw (extrinsic xyz, about base axes), gripper. `absolute_base`: the pose itself.
`delta_base`: the change since the row before, the first one since the picture. `chunk_relative_base`: the change since
the picture, in every row: errors do not add up over a chunk, and the numbers stay small.
"""

import numpy as np

from ..geometry import rotation_from_rpy, rpy_from_rotation
from ..types import ActionChunk

ABSOLUTE, DELTA, CHUNK_RELATIVE = "absolute_base", "delta_base", "chunk_relative_base"
FRAMES = (ABSOLUTE, DELTA, CHUNK_RELATIVE)


def to_base(rows: np.ndarray, frame: str, T_base_ee: np.ndarray) -> tuple[np.ndarray, str]:
    """Return rows (h, 7) of one arm as the cell takes them, and their convention (see types.ActionChunk).

    T_base_ee (4, 4): the tip's pose in the picture. Only chunk-relative rows change.
    """
    if frame != CHUNK_RELATIVE:
        return rows, frame
    rows, start = np.array(rows, float), T_base_ee[:3, :3]
    rows[:, :3] += T_base_ee[:3, 3]
    rows[:, 3:6] = [rpy_from_rotation(rotation_from_rpy(rpy) @ start) for rpy in rows[:, 3:6]]
    return rows, ABSOLUTE


def from_base(rows: np.ndarray, frame: str, T_base_ee: np.ndarray) -> np.ndarray:
    """Return absolute poses (h, 7) of one arm in a model's own frame; inverse of `to_base` and of summing deltas."""
    if frame == ABSOLUTE:
        return rows
    rows = np.array(rows, float)
    turns = [rotation_from_rpy(rpy) for rpy in rows[:, 3:6]]
    before = [T_base_ee[:3, :3], *turns[:-1]] if frame == DELTA else [T_base_ee[:3, :3]] * len(rows)
    rows[:, 3:6] = [rpy_from_rotation(turn @ was.T) for turn, was in zip(turns, before)]
    start = np.vstack([T_base_ee[:3, 3], rows[:-1, :3]]) if frame == DELTA else T_base_ee[:3, 3]
    rows[:, :3] = rows[:, :3] - start
    return rows


def moved_on(rows: np.ndarray, frame: str, chunk: ActionChunk, T_base_ee: np.ndarray) -> np.ndarray:
    """Return rows of an earlier plan's chunk, moved on in time, in the frame of the model that is to repeat them."""
    return rows if chunk.convention == frame else from_base(rows, frame, T_base_ee)
