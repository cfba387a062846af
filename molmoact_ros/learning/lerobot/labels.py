"""What the tip's way through the pictures tells: traces and keypoints, for every frame of an episode."""

import numpy as np

from ...errors import InvalidData
from ...geometry import project
from ...types import MAX_TRACE_POINTS, TRACE_RANGE
from ..records import KEYPOINTS
from .schema import NONE

FAR_M = 0.05
# Less of the way in the picture than this, and the calibration is not that of the dataset.
_LEAST_VISIBLE = 0.5
# Franka's own limit for the tip is 3 m/s.
_FASTEST_M_S = 4.0


def projected(tips, camera, picture_size, what: str) -> np.ndarray:
    """Return where tips (n, 3) [m] are in the picture (n, 2): 0..1 of its width and height, and beyond where not in it.

    camera: a CameraCalibration that stands in the base frame. InvalidData when it cannot be the dataset's.
    """
    if camera.size[0] * picture_size[1] != camera.size[1] * picture_size[0]:
        sizes = [f"{width} x {height}" for width, height in (camera.size, picture_size)]
        found = f"a calibration for {sizes[0]}, pictures of {sizes[1]}"
        raise InvalidData(found, "the same shape", "Name the calibration of this camera.")
    share = project(tips, camera.K, camera.T_mount_camera) / (np.array(camera.size) - 1)
    inside = in_sight(share).mean()
    if inside < _LEAST_VISIBLE:
        found = f"{what} in the picture in {inside:.0%} of the frames"
        raise InvalidData(found, f"at least {_LEAST_VISIBLE:.0%}", "Name the calibration of this camera and base.")
    return share


def in_sight(track) -> np.ndarray:
    """Return which points (n, 2) are in the picture."""
    return np.isfinite(track).all(1) & (track >= 0).all(1) & (track <= 1).all(1)


def stored(points, unit: str, picture_size, what: str) -> np.ndarray:
    """Return points (n, 2) that a dataset has in a stated unit as 0..1 of width and height; NaN and negative = none.

    InvalidData when a point is outside of what the unit allows, as pixels are that are called 0..255.
    """
    points = np.array(points, float)
    ends = {
        "pixels": (picture_size[0] - 1, picture_size[1] - 1), "percent": (100.0, 100.0),
        "0..255": (TRACE_RANGE - 1, TRACE_RANGE - 1),
    }[unit]  # fmt: skip
    points[~np.isfinite(points).all(1) | (points < 0).any(1)] = np.nan
    most = np.nan_to_num(np.nanmax(points, axis=0, initial=0.0))
    if np.any(most > np.add(ends, 0.5)):
        found = f"{what} with points up to {most[0]:.4g}, {most[1]:.4g}, stated as {unit}"
        do = "State another trace_unit: pixels, percent or 0..255."
        raise InvalidData(found, f"at most {ends[0]:g}, {ends[1]:g}", do)
    return np.clip(points / ends, 0.0, 1.0)


def traces(track) -> tuple[np.ndarray, np.ndarray]:
    """Return the way still to go at every frame of an episode: points (n, 5, 2) in 0..255, and how many count (n,).

    track: (n, 2), 0..1, NaN = not known. 5 points, evenly by time over what is in sight of the rest (spec section 5);
    where that is over, the border nearest to the present point; none, all -1, where this is not known either.
    """
    n, seen, known = len(track), np.flatnonzero(in_sight(track)), np.isfinite(track).all(1)
    spelled = np.rint(np.clip(np.nan_to_num(track), 0, 1) * (TRACE_RANGE - 1)).astype(np.int64)
    points = np.full((n, MAX_TRACE_POINTS, 2), NONE, np.int64)
    for row in range(n):
        left = seen[np.searchsorted(seen, row) :]
        if not len(left) and known[row]:
            left = np.array([row])
        if len(left):
            points[row] = spelled[left[np.linspace(0, len(left) - 1, MAX_TRACE_POINTS).round().astype(int)]]
    return points, MAX_TRACE_POINTS * (points[:, 0, 0] >= 0)


def keypoints(track, tips, opened) -> tuple[np.ndarray, np.ndarray]:
    """Return for every frame of an episode where to look (n, 3, 2) float32, NaN = unknown, and if that is far (n,).

    Handled is what the gripper closes on next, or holds: then it is where the tip is. It goes to where the gripper
    opens next after that. track: (n, 2), 0..1. tips: (n, 3) [m] or None. opened: (n,) bool, commanded.
    """
    track = np.where(in_sight(track)[:, None], track, np.nan)
    n, turns = len(opened), np.diff(opened.astype(int), prepend=int(opened[0]))
    closings, openings = np.flatnonzero(turns < 0), np.flatnonzero(turns > 0)
    points, far = np.full((n, KEYPOINTS, 2), np.nan, np.float32), np.ones(n, bool)
    points[:, 2] = track
    for row in range(n):
        held = not opened[row] and bool((closings <= row).any())
        handled = row if held else _first(closings, row)
        place = _first(openings, handled + 1) if handled is not None else None
        for which, at in enumerate((handled, place)):
            if at is not None:
                points[row, which] = track[at]
        near = place if held else handled
        if near is not None and tips is not None:
            far[row] = np.linalg.norm(tips[row] - tips[near]) > FAR_M
    return points, far


def _first(rows, after: int) -> int | None:
    """Return the first of ascending rows at or after one."""
    place = np.searchsorted(rows, after)
    return int(rows[place]) if place < len(rows) else None


def order_fault(tips, fps: float) -> str:
    """Say what is wrong with the order of an episode's frames, judged by how the tip (n, 3) [m] moves; "" = nothing.

    Two episodes whose frames alternate make the tip jump to and fro: two steps on it is nearer than after one.
    """
    if len(tips) < 4:
        return ""
    once, twice = np.linalg.norm(np.diff(tips, axis=0), axis=1), np.linalg.norm(tips[2:] - tips[:-2], axis=1)
    fastest = once.max() * fps
    if once.mean() > 0.005 and once.mean() > 1.5 * twice.mean():
        return f"the tip jumps to and fro, {once.mean() * 1000:.0f} mm per frame: frames of two episodes alternate"
    if fastest > _FASTEST_M_S:
        frame = int(once.argmax())
        return f"the tip moves at {fastest:.1f} m/s after frame {frame}: frames are missing or out of order"
    return ""
