"""The motion under way as rows of a newer chunk: what a new plan will probably say, and what it may not change."""

import numpy as np

from ..types import ActionChunk


def continued(chunk: ActionChunk, stamp_ns: int) -> np.ndarray:
    """Return rows (H, D) that move as `chunk` does, for a chunk of the same step with the stamp `stamp_ns`.

    Between rows motion is straight. After the end an absolute pose stays, a change is zero. A gripper value is that of
    the row being approached. Angles of changes are added up by axis, which is exact for one axis and close for small
    turns.
    """
    step_ns, actions = chunk.dt_s * 1e9, chunk.actions
    rows = len(actions)
    shift = (stamp_ns - chunk.stamp_ns) / step_ns
    # row k of a chunk is due at stamp + (k + 1) * dt, so that place k + 1 of the path is where row k leads
    after = np.arange(1, rows + 1) + shift
    places, before = np.clip(after, 0, rows), np.clip(after - 1, 0, rows)
    whole = actions.reshape(rows, -1, 7)
    grippers = whole[np.minimum(np.ceil(places).astype(int) - 1, rows - 1).clip(0), :, 6]
    motion = whole[..., :6].reshape(rows, -1)
    if chunk.convention == "absolute_base":
        path = np.concatenate([motion[:1], motion])
        moved = _at(path, places)
    else:
        path = np.concatenate([np.zeros((1, motion.shape[1])), np.cumsum(motion, axis=0)])
        moved = _at(path, places) - _at(path, before)
    out = np.empty_like(whole)
    out[..., :6], out[..., 6] = moved.reshape(rows, -1, 6), grippers
    return out.reshape(rows, -1)


def overdue(stamp_ns: int, dt_s: float, rows: int, due_ns: int) -> int:
    """Return how many of a chunk's first rows are due by `due_ns`; at least one row is left to decide."""
    return int(np.clip((due_ns - stamp_ns) // round(dt_s * 1e9), 0, rows - 1))


def resumed(points: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """Return as many points (n, 2) as a trace has, from the tip (2,), where a trace begins, along what is left of it.

    A tip that is not finite (behind the camera) leaves the trace as it is.
    """
    count = len(points)
    if count < 2 or not np.isfinite(tip).all():
        return points
    starts, steps = points[:-1], np.diff(points, axis=0)
    lengths = np.maximum((steps**2).sum(axis=1), 1e-9)
    shares = np.clip(((tip - starts) * steps).sum(axis=1) / lengths, 0.0, 1.0)
    apart = ((starts + shares[:, None] * steps - tip) ** 2).sum(axis=1)
    nearest = int(np.argmin(apart))
    left = _at(points, np.linspace(nearest + shares[nearest], count - 1, count))
    return np.concatenate([tip[None], left[1:]])


def _at(path: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate a path (n, c) at fractional places 0..n - 1."""
    below = np.minimum(places.astype(int), len(path) - 2)
    share = (places - below)[:, None]
    return path[below] * (1 - share) + path[below + 1] * share
