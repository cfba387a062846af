"""Unit quaternions (x, y, z, w) as plain floats: at 100 Hz the arithmetic is cheaper than the array calls."""

from math import acos, atan2, cos, sin, sqrt

import numpy as np

IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


def multiply(a, b) -> np.ndarray:
    """Return the rotation that turns by b first and then by a (Hamilton product a b)."""
    return np.array(_product(a, b))


def _product(a, b) -> tuple:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def conjugate(q) -> np.ndarray:
    """Return the inverse of a unit quaternion."""
    x, y, z, w = q
    return np.array([-x, -y, -z, w])


def slerp(a, b, share: float) -> np.ndarray:
    """Turn from a to b the short way; share 0 = a, 1 = b."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    dot = ax * bx + ay * by + az * bz + aw * bw
    if dot < 0.0:
        bx, by, bz, bw, dot = -bx, -by, -bz, -bw, -dot
    if dot > 0.99999:
        u, v = 1.0 - share, share
    else:
        angle = acos(dot)
        u, v = sin((1.0 - share) * angle) / sin(angle), sin(share * angle) / sin(angle)
    x, y, z, w = u * ax + v * bx, u * ay + v * by, u * az + v * bz, u * aw + v * bw
    norm = sqrt(x * x + y * y + z * z + w * w)
    return np.array([x / norm, y / norm, z / norm, w / norm])


def rotation_vector_between(a, b) -> np.ndarray:
    """Return axis * angle [rad] in base axes that turns a into b the short way."""
    ax, ay, az, aw = a.tolist()
    x, y, z, w = _product(b.tolist(), (-ax, -ay, -az, aw))
    if w < 0.0:
        x, y, z, w = -x, -y, -z, -w
    sine = sqrt(x * x + y * y + z * z)
    scale = 2.0 if sine < 1e-9 else 2.0 * atan2(sine, w) / sine
    return np.array([x * scale, y * scale, z * scale])


def turned(q, vector) -> np.ndarray:
    """Turn q by axis * angle [rad] in base axes."""
    x, y, z = vector.tolist()
    angle = sqrt(x * x + y * y + z * z)
    scale = 0.5 if angle < 1e-9 else sin(angle / 2) / angle
    x, y, z, w = _product((x * scale, y * scale, z * scale, cos(angle / 2)), q.tolist())
    norm = sqrt(x * x + y * y + z * z + w * w)
    return np.array([x / norm, y / norm, z / norm, w / norm])
