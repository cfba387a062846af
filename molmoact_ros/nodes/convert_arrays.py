"""Stamps, geometry and images to standard messages and back.

Bulk fields are `array.array`: rclpy takes those without looking at every element. Images that come in are views of
the message, not copies. Malformed messages raise InvalidData, which the shell counts and drops.
"""

import sys
from array import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3, Wrench
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..errors import InvalidData
from ..geometry import quaternion_from_rotation, rotation_from_quaternion, transform

_ENCODINGS = {"rgb8": (np.uint8, 3), "mono8": (np.uint8, 1), "16UC1": (np.uint16, 1), "32FC1": (np.float32, 1)}


# Stamps and geometry ---------------------------------------------------------------------------------------------


def stamp_to_msg(ns: int) -> Time:
    """Convert nanoseconds to a Time."""
    return Time(sec=int(ns // 10**9), nanosec=int(ns % 10**9))


def stamp_ns(msg) -> int:
    """Return nanoseconds of a Time, a Header, or a message with a header."""
    time = getattr(getattr(msg, "header", msg), "stamp", msg)
    return time.sec * 10**9 + time.nanosec


def header(ns: int, frame_id: str = "base") -> Header:
    """Build a Header from nanoseconds."""
    return Header(stamp=stamp_to_msg(ns), frame_id=frame_id)


def pose_to_msg(T) -> Pose:
    """Convert a (4, 4) transform."""
    x, y, z, w = quaternion_from_rotation(T[:3, :3]).tolist()
    return Pose(position=Point(**_xyz(T[:3, 3])), orientation=Quaternion(x=x, y=y, z=z, w=w))


def pose_from_msg(msg: Pose) -> np.ndarray:
    """Return T (4, 4)."""
    return _matrix(msg.position, msg.orientation)


def transform_to_msg(T) -> Transform:
    """Convert a (4, 4) transform."""
    pose = pose_to_msg(T)
    return Transform(translation=Vector3(**_xyz(T[:3, 3])), rotation=pose.orientation)


def transform_from_msg(msg: Transform) -> np.ndarray:
    """Return T (4, 4)."""
    return _matrix(msg.translation, msg.rotation)


def wrench_to_msg(wrench) -> Wrench:
    """Convert force [N] and torque [Nm], (6,)."""
    return Wrench(force=Vector3(**_xyz(wrench[:3])), torque=Vector3(**_xyz(wrench[3:])))


def _matrix(p, q) -> np.ndarray:
    xyzw = np.array([q.x, q.y, q.z, q.w])
    norm = np.linalg.norm(xyzw)
    if not np.isfinite(norm) or norm < 1e-6:
        raise InvalidData(f"an orientation {xyzw.tolist()}", "a unit quaternion", "Fix the producer.")
    return transform(rotation_from_quaternion(xyzw), [p.x, p.y, p.z])


def _xyz(v) -> dict:
    return {"x": float(v[0]), "y": float(v[1]), "z": float(v[2])}


# Images ------------------------------------------------------------------------------------------------------------


def image_to_msg(image, ns: int, frame_id: str, encoding: str | None = None) -> Image:
    """Convert (h, w, 3) uint8 RGB, (h, w) uint8, uint16 or float32 to rgb8, mono8, 16UC1 or 32FC1.

    InvalidData when the array has no encoding, or not the one that is asked for.
    """
    image = np.ascontiguousarray(image)
    channels = image.shape[2] if image.ndim == 3 else 1
    fitting = next((e for e, kind in _ENCODINGS.items() if kind == (image.dtype, channels)), None)
    if fitting is None or encoding not in (None, fitting):
        expected = encoding or "one of " + ", ".join(_ENCODINGS)
        raise InvalidData(f"an image {image.dtype} {image.shape}", expected, "Convert it first.")
    height, width = image.shape[:2]
    msg = Image(header=header(ns, frame_id), height=height, width=width, encoding=fitting)
    msg.is_bigendian = int(sys.byteorder == "big")
    msg.step = width * channels * image.itemsize
    msg.data = packed("B", image.reshape(-1).view(np.uint8))
    return msg


def image_from_msg(msg: Image) -> np.ndarray:
    """Return a read-only view (h, w, 3) or (h, w) of the message's data."""
    if msg.encoding not in _ENCODINGS:
        raise InvalidData(f"image encoding '{msg.encoding}'", f"one of {', '.join(_ENCODINGS)}", "Set the camera.")
    dtype, channels = _ENCODINGS[msg.encoding]
    dtype = np.dtype(dtype).newbyteorder(">" if msg.is_bigendian else "<")
    row = msg.width * channels * dtype.itemsize
    if msg.step < row or len(msg.data) != msg.step * msg.height:
        expected = f"{msg.height} rows of {row} or more"
        raise InvalidData(f"an image of {len(msg.data)} bytes", expected, "Fix the camera.")
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)[:, :row]
    image = rows.view(dtype) if dtype.itemsize > 1 else rows
    image = image.reshape(msg.height, msg.width, 3) if channels == 3 else image
    image.flags.writeable = False
    return image


def depth_to_msg(depth_m, ns: int, frame_id: str) -> Image:
    """Convert (h, w) metres to 16UC1 millimetres; NaN and what does not fit become 0 = no reading."""
    mm = np.rint(np.nan_to_num(np.asarray(depth_m) * 1000.0, nan=0.0, posinf=0.0, neginf=0.0))
    return image_to_msg(np.where((mm > 0) & (mm < 65536), mm, 0).astype(np.uint16), ns, frame_id)


def depth_from_msg(msg: Image) -> np.ndarray:
    """Return (h, w) float32 metres, NaN = no reading, from 16UC1 (millimetres) or 32FC1 (metres)."""
    depth = image_from_msg(msg)
    if depth.ndim != 2 or msg.encoding == "mono8":
        raise InvalidData(f"depth encoding '{msg.encoding}'", "16UC1 or 32FC1", "Set the camera.")
    metres = depth * np.float32(0.001) if msg.encoding == "16UC1" else depth.astype(np.float32)
    metres[~(metres > 0)] = np.nan
    return metres


def camera_info_to_msg(K, width: int, height: int, ns: int, frame_id: str) -> CameraInfo:
    """Describe a pinhole camera without distortion."""
    K = np.asarray(K, np.float64)
    info = CameraInfo(header=header(ns, frame_id), width=width, height=height, distortion_model="plumb_bob")
    info.d, info.k, info.r = [0.0] * 5, K.reshape(9), np.eye(3).reshape(9)
    info.p = np.hstack([K, np.zeros((3, 1))]).reshape(12)
    return info


def intrinsics_from_msg(msg: CameraInfo) -> np.ndarray:
    """Return K (3, 3) [px]; InvalidData for an uncalibrated camera."""
    K = np.array(msg.k).reshape(3, 3)
    if not (np.all(np.isfinite(K)) and K[0, 0] > 0 and K[1, 1] > 0):
        raise InvalidData("a CameraInfo without focal length", "a calibrated camera", "Calibrate the camera.")
    return K


def packed(code: str, values) -> array:
    """Copy an array into an array.array of that type code, in one go."""
    packed = array(code)
    packed.frombytes(np.ascontiguousarray(values, np.dtype(code)).view(np.uint8).reshape(-1).data)
    return packed


def grid(values, rows: int, cols: int, what: str) -> np.ndarray:
    """Shape a flat field into (rows, cols); InvalidData when the sizes disagree."""
    if len(values) != rows * cols:
        raise InvalidData(f"{what} with {len(values)} values", f"{rows} x {cols}", "Fix the producer.")
    return np.array(values).reshape(rows, cols)
