"""From the columns of a dataset to poses of the tip in the base frame, whatever form they were stored in."""

import numpy as np

from ...errors import InvalidData
from ...geometry import rotation_from_quaternion, rotation_from_rpy, rpy_from_rotation
from ...rotation import IDENTITY, turned
from .mapping import ROTATIONS

# An arm on a table reaches 1.5 m; millimetres would be a thousand times that.
_FARTHEST_M = 5.0
_LARGEST_ANGLE = 4 * np.pi


def rotations(values, form: str) -> np.ndarray:
    """Return rotations (n, 3, 3) of values (n, 3 or 4) in one of ROTATIONS. InvalidData for what is no rotation."""
    values = np.asarray(values, float)
    if form.startswith("quaternion"):
        norms = np.linalg.norm(values, axis=1)
        if np.any(np.abs(norms - 1) > 0.05):
            found = f"quaternions of length {norms.min():.3g} to {norms.max():.3g}"
            raise InvalidData(found, "length 1", "Correct the entries or the rotation in the mapping.")
        ordered = values[:, [1, 2, 3, 0]] if form == "quaternion_wxyz" else values
        return np.array([rotation_from_quaternion(q) for q in ordered]).reshape(-1, 3, 3)
    largest = np.abs(values).max(initial=0)
    if largest > _LARGEST_ANGLE:
        do = "Correct the entries or the rotation in the mapping; degrees have to be converted."
        raise InvalidData(f"angles up to {largest:.3g}", "radians", do)
    if form == "axis_angle":
        return np.array([rotation_from_quaternion(turned(IDENTITY, v)) for v in values]).reshape(-1, 3, 3)
    return np.array([rotation_from_rpy(v) for v in values]).reshape(-1, 3, 3)


def poses(values, form: str) -> np.ndarray:
    """Return x, y, z [m], roll, pitch, yaw [rad] (n, 6) of columns x, y, z and a rotation. InvalidData."""
    positions, turns = _parts(values, form)
    # Angles that are given as such keep every bit.
    return np.array(values, float) if form == "rpy" else _flat(positions, turns)


def moved(start, change, form: str) -> np.ndarray:
    """Return poses (n, 6) that are `change` (n, 3 + r) away from poses `start` (n, 6); turns are about base axes."""
    positions, turns = _parts(change, form)
    return _flat(start[:, :3] + positions, turns @ rotations(start[:, 3:], "rpy"))


def _parts(values, form: str) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(values, float)
    farthest = np.abs(values[:, :3]).max(initial=0)
    if farthest > _FARTHEST_M:
        do = "Correct the entries of the pose in the mapping; millimetres have to be converted."
        raise InvalidData(f"positions up to {farthest:.3g}", f"metres, below {_FARTHEST_M:g}", do)
    return values[:, :3], rotations(values[:, 3:], form)


def _flat(positions, turns) -> np.ndarray:
    return np.column_stack([positions, [rpy_from_rotation(R) for R in turns]])


def per_arm(values, entries, form: str, arm: int) -> np.ndarray:
    """Return the columns of one arm's pose."""
    size = 3 + ROTATIONS[form]
    return np.asarray(values)[:, list(entries[arm * size : (arm + 1) * size])]


def later_rows(values, starts, horizon: int) -> np.ndarray:
    """Return for each row (n, d) it and those that follow in its episode (n, h, d); the last one is repeated."""
    ends = np.append(starts[1:], len(values)) - 1
    last = np.repeat(ends, np.diff(np.append(starts, len(values))))
    return values[np.minimum(np.arange(len(values))[:, None] + np.arange(horizon), last[:, None])]
