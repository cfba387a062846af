"""Rigid transforms, rotations, projection and serial-chain kinematics in plain NumPy."""

from math import sqrt

import numpy as np


def rotation_from_rpy(rpy) -> np.ndarray:
    """Build a (3, 3) rotation from roll, pitch, yaw [rad] about the fixed x, y, z axes (R = Rz Ry Rx)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rpy_from_rotation(R) -> np.ndarray:
    """Return roll, pitch, yaw [rad] of a (3, 3) rotation; the inverse of rotation_from_rpy away from pitch = ±90°."""
    return np.array([np.arctan2(R[2, 1], R[2, 2]), -np.arcsin(np.clip(R[2, 0], -1, 1)), np.arctan2(R[1, 0], R[0, 0])])


def rotation_from_quaternion(xyzw) -> np.ndarray:
    """Build a (3, 3) rotation from a quaternion x, y, z, w; it is normalised first."""
    x, y, z, w = np.asarray(xyzw, float) / np.linalg.norm(xyzw)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_rotation(R) -> np.ndarray:
    """Return x, y, z, w (w >= 0) of a (3, 3) rotation, stable for every angle (largest-component method)."""
    (a, b, c), (d, e, f), (g, h, i) = np.asarray(R, float).tolist()
    trace = a + e + i
    if trace >= max(a, e, i):
        x, y, z, w = h - f, c - g, d - b, 1 + trace
    elif a >= e and a >= i:
        x, y, z, w = 1 + a - e - i, d + b, c + g, h - f
    elif e >= i:
        x, y, z, w = d + b, 1 + e - a - i, h + f, c - g
    else:
        x, y, z, w = c + g, h + f, 1 + i - a - e, d - b
    scale = (1 if w >= 0 else -1) / sqrt(x * x + y * y + z * z + w * w)
    return np.array([x * scale, y * scale, z * scale, w * scale])


def rotation_vector(R) -> np.ndarray:
    """Return axis * angle [rad] of a (3, 3) rotation (logarithm map)."""
    q = quaternion_from_rotation(R)
    sine = np.linalg.norm(q[:3])
    if sine < 1e-12:
        return np.zeros(3)
    return q[:3] / sine * 2 * np.arctan2(sine, q[3])


def transform(R=None, t=None) -> np.ndarray:
    """Assemble a (4, 4) homogeneous transform from a rotation and a translation [m]."""
    T = np.eye(4)
    if R is not None:
        T[:3, :3] = R
    if t is not None:
        T[:3, 3] = t
    return T


def inverse(T) -> np.ndarray:
    """Invert a (4, 4) rigid transform."""
    R = T[:3, :3].T
    return transform(R, -R @ T[:3, 3])


def project(points, K, T_base_camera) -> np.ndarray:
    """Project (N, 3) base-frame points [m] into pixels (N, 2); NaN where a point is behind the camera."""
    points = np.atleast_2d(points)
    local = (points - T_base_camera[:3, 3]) @ T_base_camera[:3, :3]
    pixels = np.full((len(points), 2), np.nan)
    ahead = local[:, 2] > 1e-6
    homogeneous = local[ahead] @ np.asarray(K).T
    pixels[ahead] = homogeneous[:, :2] / homogeneous[:, 2:]
    return pixels


def lift(pixels, depth_m, K, T_base_camera) -> np.ndarray:
    """Lift (N, 2) pixels with depths (N,) along the optical axis [m] to (N, 3) base-frame points [m]."""
    pixels = np.atleast_2d(pixels)
    rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(K).T
    local = rays * np.asarray(depth_m, float)[:, None]
    return local @ T_base_camera[:3, :3].T + T_base_camera[:3, 3]


def _dh_transform(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
    return np.array([[ct, -st, 0, a], [st * ca, ct * ca, -sa, -sa * d], [st * sa, ct * sa, ca, ca * d], [0, 0, 0, 1.0]])


def link_transforms(dh, q) -> np.ndarray:
    """Chain modified Denavit-Hartenberg rows (Craig): (8, 4, 4) joint frames 1..7 and the flange, in base."""
    angles = np.append(q, 0.0)
    T = np.eye(4)
    frames = np.empty((len(dh), 4, 4))
    for i, ((a, d, alpha), theta) in enumerate(zip(dh, angles)):
        T = T @ _dh_transform(a, d, alpha, theta)
        frames[i] = T
    return frames


def forward_kinematics(dh, T_flange_ee, q) -> np.ndarray:
    """Return T_base_ee (4, 4) of joint angles q (7,) [rad]."""
    return link_transforms(dh, q)[-1] @ T_flange_ee


def jacobian(dh, T_flange_ee, q) -> np.ndarray:
    """Return the (6, 7) geometric Jacobian of the end effector in base axes: linear [m/rad] above angular rows."""
    frames = link_transforms(dh, q)
    tip = (frames[-1] @ T_flange_ee)[:3, 3]
    axes = frames[:7, :3, 2]
    linear = np.cross(axes, tip - frames[:7, :3, 3])
    return np.vstack([linear.T, axes.T])


class SerialChain:
    """Forward kinematics and Jacobian of one arm with the constant parts worked out once, for fast loops."""

    def __init__(self, dh, T_flange_ee):
        dh = np.asarray(dh, float)
        # Each joint transform is affine in cos and sin of its angle: T = constant + cos * A + sin * B.
        samples = np.array([[_dh_transform(*row, angle) for angle in (0.0, np.pi / 2, np.pi)] for row in dh[:7]])
        at_0, at_90, at_180 = samples[:, 0], samples[:, 1], samples[:, 2]
        constant = (at_0 + at_180) / 2
        self._basis = np.stack([constant, at_0 - constant, at_90 - constant], axis=1).reshape(7, 3, 16)
        self._tail = _dh_transform(*dh[7], 0.0) @ np.asarray(T_flange_ee, float)
        self._coefficients = np.ones((7, 1, 3))

    def pose(self, q) -> np.ndarray:
        """Return T_base_ee (4, 4) of joint angles q (7,) [rad]."""
        return self._frames(q)[7]

    def pose_and_jacobian(self, q) -> tuple[np.ndarray, np.ndarray]:
        """Return T_base_ee (4, 4) and the (6, 7) Jacobian, as `forward_kinematics` and `jacobian` do."""
        frames = self._frames(q)
        ax, ay, az = frames[:7, :3, 2].T
        rx, ry, rz = (frames[7, :3, 3] - frames[:7, :3, 3]).T
        J = np.empty((6, 7))
        J[0], J[1], J[2] = ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx
        J[3], J[4], J[5] = ax, ay, az
        return frames[7], J

    def _frames(self, q) -> np.ndarray:
        """Return (8, 4, 4): the seven joint frames and the end effector, in base."""
        self._coefficients[:, 0, 1], self._coefficients[:, 0, 2] = np.cos(q), np.sin(q)
        steps = (self._coefficients @ self._basis).reshape(7, 4, 4)
        frames = np.empty((8, 4, 4))
        frames[0] = steps[0]
        for i in range(1, 7):
            np.matmul(frames[i - 1], steps[i], out=frames[i])
        np.matmul(frames[6], self._tail, out=frames[7])
        return frames
