"""Lift a trace from the image to 3-D with the depth seen there."""

import numpy as np

from ..geometry import lift, project
from ..types import Trace

# Window radii [px] in which a reading is looked for, nearest first.
RADII = (3, 7, 15)


def lift_trace(trace: Trace, depth_m, K, T_base_camera, tip=None) -> np.ndarray:
    """Return the (N, 3) base-frame points [m] of a trace; points without a depth near them are left out.

    A trace is the gripper tip's path in the image, so every point stands for a ray. The surface seen along the ray is
    the farthest place where the tip can be; the lifted point is on that surface: for grasps and placements it is the
    place itself, for a path through the air it lies behind it. `tip`: the tip (3,) [m] now, used as the first
    point's depth, because the gripper hides the surface there.
    """
    pixels = trace.pixels()
    depths = np.array([depth_near(depth_m, pixel) for pixel in pixels])
    if tip is not None:
        ahead = (np.asarray(tip) - T_base_camera[:3, 3]) @ T_base_camera[:3, 2]
        same_ray = np.linalg.norm(project(tip, K, T_base_camera)[0] - pixels[0]) < RADII[-1]
        depths[0] = ahead if same_ray else depths[0]
    known = np.isfinite(depths)
    return lift(pixels[known], depths[known], K, T_base_camera)


def depth_near(depth_m, pixel) -> float:
    """Read depth [m] near a pixel (u, v): lower quartile of the smallest window with enough readings; NaN without any.

    The quartile prefers the nearer of two surfaces, the object before the table behind it, without trusting one pixel.
    """
    height, width = depth_m.shape
    u, v = np.round(pixel).astype(int)
    for radius in RADII:
        rows = slice(max(v - radius, 0), min(v + radius + 1, height))
        window = depth_m[rows, max(u - radius, 0) : min(u + radius + 1, width)]
        readings = window[np.isfinite(window) & (window > 0)]
        if readings.size >= max(3, window.size // 8):
            return float(np.quantile(readings, 0.25))
    return float("nan")


def chunk_positions(chunk, tip) -> np.ndarray:
    """Return the (H + 1, 3) positions [m] that a one-arm chunk leads through, from the tip (3,) where it starts."""
    steps = chunk.actions[:, :3]
    if chunk.convention == "delta_base":
        steps = np.asarray(tip) + np.cumsum(steps, axis=0)
    return np.vstack([tip, steps])
