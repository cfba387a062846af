"""How the columns of somebody else's dataset are to be read. Nothing of this can be guessed; what can be is checked."""

from dataclasses import dataclass

from ...config import REQUIRED, option, read_options
from ...errors import ConfigError

FRAMES = ("absolute_base", "delta_base", "controller_input")
GRIPPERS = ("open_is_1", "closed_is_1", "width_m")
TRACE_UNITS = ("none", "pixels", "percent", "0..255")


@dataclass(frozen=True)
class Mapping:
    """One source dataset; the file says it, `molmoact dataset convert` checks it."""

    camera: str = option(REQUIRED, "column of the picture that the model is to look at")
    state: str = option("observation.state", "column of the robot's state")
    position: tuple[int, ...] = option((0, 1, 2), "entries of the state: x, y, z of the tip [m]", low=0, high=999)
    rotation: tuple[int, ...] = option((3, 4, 5), "entries of the state: roll, pitch, yaw [rad]", low=0, high=999)
    opening: int = option(-1, "entry of the state: the gripper's opening; -1: there is none", low=-1, high=999)
    action: str = option("action", "column of the actions")
    action_frame: str = option(REQUIRED, "what an action means; controller_input: kept as it is", choices=FRAMES)
    action_gripper: int = option(-1, "entry of the action: the gripper; -1: there is none", low=-1, high=999)
    gripper: str = option(REQUIRED, "what the action's gripper says", choices=GRIPPERS)
    horizon: int = option(8, "rows of a chunk", low=1, high=64)
    picture: tuple[int, int] = option((160, 120), "width and height that pictures are stored with", "px", 16, 4096)
    calibration: str = option("", "file with K and T_base_camera of this camera: traces are projected")
    calibrated_camera: str = option("front", "its name in that file")
    trace: str = option("", "column of 2-D points of the gripper, where there is no calibration")
    trace_unit: str = option("none", "unit of that column", choices=TRACE_UNITS)
    depth: str = option("", "column of depth pictures [mm]; without it there are no depth tokens")


def load_mapping(path) -> Mapping:
    """Read a mapping from a YAML file. MissingPart or ConfigError."""
    mapping = read_options(path, Mapping)
    if mapping.trace and mapping.trace_unit == "none":
        raise ConfigError("a trace without its unit", f"trace_unit among {TRACE_UNITS[1:]}", "Say it.")
    return mapping
