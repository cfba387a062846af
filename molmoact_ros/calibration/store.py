"""Calibration of a cell's cameras as a YAML file: read, checked, written.

cell: sim_fr3
date: 2026-11-24
method: simulator
residual_px: 0.0
base_frame: base
cameras:
  front:
    frame_id: camera_front_color_optical_frame
    mount: base                     # 'base': pose in the base frame; 'ee': pose in the end-effector frame
    size: [320, 240]                # width, height [px]
    intrinsics: [308.6, 308.6, 159.5, 119.5]   # fx, fy, cx, cy [px] of the undistorted image
    xyz: [1.02, 0.0, 0.60]          # m
    xyzw: [0.64, 0.64, -0.30, -0.30]  # quaternion of the optical frame (x right, y down, z forward)
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Mapping

import numpy as np
import yaml

from ..errors import ConfigError, MissingPart
from ..geometry import quaternion_from_rotation, rotation_from_quaternion, transform

MOUNTS = ("base", "ee")
# A camera farther away than this is a slip of the decimal point.
MAX_DISTANCE_M = 5.0
_TOP = ("cell", "date", "method", "residual_px", "base_frame", "cameras")
_CAMERA = ("frame_id", "mount", "size", "intrinsics", "xyz", "xyzw")


@dataclass(frozen=True)
class CameraCalibration:
    """One camera: size (width, height) [px], K (3, 3) [px], T_mount_camera (4, 4) with mount 'base' or 'ee'."""

    frame_id: str
    mount: str
    size: tuple[int, int]
    K: np.ndarray
    T_mount_camera: np.ndarray

    def fits(self, K, size, tolerance: float = 0.02) -> bool:
        """Say whether a stream with K and size is this camera at this resolution (focal length, centre in 2 %)."""
        return tuple(size) == self.size and bool(np.all(np.abs(np.asarray(K) - self.K) <= tolerance * self.K[0, 0]))


@dataclass(frozen=True)
class Calibration:
    """All cameras of a cell, and how the numbers came about."""

    cell: str
    date: str
    method: str
    residual_px: float
    base_frame: str
    cameras: Mapping[str, CameraCalibration]

    def fixed_camera(self, name: str) -> CameraCalibration:
        """Return a camera that stands in the base frame, or raise ConfigError."""
        camera = self.cameras.get(name)
        if camera is None or camera.mount != "base":
            found = "no" if camera is None else "a moving"
            raise ConfigError(
                f"{found} camera '{name}' in the calibration of '{self.cell}'",
                f"a camera '{name}' with mount: base",
                "Calibrate it, or name the right file.",
            )
        return camera


def load(path) -> Calibration:
    """Read and check a calibration file. Raises MissingPart (no file) or ConfigError (unusable)."""
    path = Path(path)
    if not path.is_file():
        raise MissingPart(
            f"no calibration at '{path}'", "a YAML file", "Set 'calibration' to one; calibration/ has an example."
        )
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' is not YAML ({str(error).splitlines()[0]})", "a mapping", "Correct it.") from error
    values = _keys(data, _TOP, path.name)
    _require(isinstance(values["cameras"], dict), f"{path.name}: cameras", "a mapping name -> camera")
    cameras = {name: _camera(entry, f"{path.name}: camera '{name}'") for name, entry in values["cameras"].items()}
    residual = _numbers(values["residual_px"], 1, f"{path.name}: residual_px")[0]
    texts = {key: str(values[key]) for key in ("cell", "date", "method", "base_frame")}
    return Calibration(residual_px=float(residual), cameras=MappingProxyType(cameras), **texts)


def save(calibration: Calibration, path) -> None:
    """Write a calibration so that `load` gives it back."""
    data = {key: getattr(calibration, key) for key in _TOP[:-1]}
    data["cameras"] = {name: _entry(camera) for name, camera in calibration.cameras.items()}
    Path(path).write_text(yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120))


def _camera(entry, where: str) -> CameraCalibration:
    values = _keys(entry, _CAMERA, where)
    width, height = _numbers(values["size"], 2, f"{where}: size").astype(int)
    fx, fy, cx, cy = _numbers(values["intrinsics"], 4, f"{where}: intrinsics")
    xyz, xyzw = _numbers(values["xyz"], 3, f"{where}: xyz"), _numbers(values["xyzw"], 4, f"{where}: xyzw")
    _require(values["mount"] in MOUNTS, f"{where}: mount '{values['mount']}'", "'base' or 'ee'")
    _require(width > 0 and height > 0, f"{where}: size {width} x {height}", "a picture")
    _require(fx > 0 and fy > 0, f"{where}: focal lengths {fx}, {fy}", "positive pixels")
    _require(0 <= cx < width and 0 <= cy < height, f"{where}: centre {cx}, {cy}", "a point in the picture")
    _require(abs(np.linalg.norm(xyzw) - 1) < 1e-2, f"{where}: quaternion of length {np.linalg.norm(xyzw):.3f}", "1")
    _require(np.linalg.norm(xyz) < MAX_DISTANCE_M, f"{where}: xyz {xyz}", f"metres, below {MAX_DISTANCE_M:g}")
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    T = transform(rotation_from_quaternion(xyzw), xyz)
    return CameraCalibration(str(values["frame_id"]), values["mount"], (int(width), int(height)), K, T)


def _entry(camera: CameraCalibration) -> dict:
    K, T = camera.K, camera.T_mount_camera
    return {
        "frame_id": camera.frame_id,
        "mount": camera.mount,
        "size": list(camera.size),
        "intrinsics": [round(float(v), 6) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2])],
        "xyz": [round(float(v), 7) for v in T[:3, 3]],
        "xyzw": [round(float(v), 9) for v in quaternion_from_rotation(T[:3, :3])],
    }


def _keys(data, names, where: str) -> dict:
    """Return `data` if it is a mapping with exactly `names` as keys; ConfigError otherwise."""
    _require(isinstance(data, dict), where, "a mapping")
    wrong = [f"no '{n}'" for n in names if n not in data] + [f"unknown '{n}'" for n in data if n not in names]
    _require(not wrong, f"{where}: {wrong[0] if wrong else ''}", f"the keys {', '.join(names)}")
    return data


def _numbers(value, count: int, where: str) -> np.ndarray:
    try:
        numbers = np.atleast_1d(np.array(value, dtype=float))
    except (TypeError, ValueError):
        numbers = np.empty(0)
    _require(numbers.shape == (count,) and bool(np.isfinite(numbers).all()), f"{where} = {value}", f"{count} numbers")
    return numbers


def _require(condition: bool, found: str, expected: str) -> None:
    if not condition:
        raise ConfigError(found, expected, "Correct the calibration file, or calibrate the camera again.")
