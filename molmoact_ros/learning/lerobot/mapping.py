"""What a person states about somebody else's dataset, as a YAML file. Nothing of this can be guessed; it is checked."""

from dataclasses import dataclass

from ...config import REQUIRED, option, read_options
from ...errors import ConfigError
from ...reasoning.action_frame import FRAMES
from .schema import RAW

ROTATIONS = {"rpy": 3, "axis_angle": 3, "quaternion_xyzw": 4, "quaternion_wxyz": 4}
GRIPPERS = ("open_is_1", "closed_is_1", "width_m")
TRACE_UNITS = ("none", "pixels", "percent", "0..255")
DEPTH_UNITS = {"m": 1.0, "mm": 1e-3}
_POSE = (0, 1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Mapping:
    """What the columns of a dataset mean. Two arms: the second's entries stand after those of the first."""

    camera: str = option(REQUIRED, "column of the pictures that traces belong to")
    image_size: tuple[int, ...] = option((), "width and height to shrink them to; [] = as they are", "px", 1, 10_000)
    fps: float = option(0.0, "true rate where meta/info.json is wrong; 0 = it is right", "Hz", 0.0, 1000.0)
    horizon: int = option(8, "rows of a chunk", low=1, high=1000)
    skip_faulty_episodes: bool = option(False, "leave out episodes that are out of order, refuse nothing")

    state: str = option("observation.state", "column of the robot's state")
    state_pose: tuple[int, ...] = option(
        _POSE, "its entries x, y, z [m] and rotation of the tip, base frame; [] = there are none", low=0, high=9999
    )
    state_rotation: str = option("rpy", "form of that rotation", choices=tuple(ROTATIONS))
    state_gripper: tuple[int, ...] = option((6,), "its entry of the opening; [] = not measured", low=0, high=9999)
    state_gripper_means: str = option("width_m", "what that entry says", choices=GRIPPERS)
    gripper_max_width_m: float = option(0.08, "opening of the open gripper", "m", 0.001, 1.0)

    action: str = option("action", "column of the actions")
    action_frame: str = option(
        REQUIRED, "what an action says; controller_input = something else, kept as it is", choices=(*FRAMES, RAW)
    )
    action_pose: tuple[int, ...] = option(_POSE, "its entries x, y, z [m] and rotation", low=0, high=9999)
    action_rotation: str = option("rpy", "form of that rotation", choices=tuple(ROTATIONS))
    action_gripper: tuple[int, ...] = option((6,), "its entry of the gripper; [] = there is none", low=0, high=9999)
    action_gripper_means: str = option(REQUIRED, "what that entry says", choices=GRIPPERS)
    action_ignored: tuple[int, ...] = option((), "its entries to be left out", low=0, high=9999)

    calibration: str = option("", "calibration file: traces are the tip's way, projected")
    calibration_camera: str = option("front", "name of the camera in it")
    trace: str = option("", "without calibration: column of the tip's place in the picture, u v per arm")
    trace_unit: str = option("none", "unit of that column; pixels are those of the stored picture", choices=TRACE_UNITS)
    depth: str = option("", "column of depth pictures; without it there are no depth tokens")
    depth_unit: str = option("mm", "unit of that column", choices=tuple(DEPTH_UNITS))
    depth_model: str = option("models/depth_vqvae", "weights that spell the depth tokens")
    depth_every: int = option(1, "every how many frames has depth tokens", low=1, high=10_000)

    def __post_init__(self):
        _require_poses(self)
        if len(self.image_size) not in (0, 2):
            raise ConfigError(f"image_size {list(self.image_size)}", "width and height", "Correct the mapping.")
        if bool(self.trace) != (self.trace_unit != "none"):
            found = f"trace '{self.trace}' with trace_unit {self.trace_unit}"
            raise ConfigError(found, f"both; a unit is one of {', '.join(TRACE_UNITS[1:])}", "State the unit.")
        if self.calibration and (self.trace or not self.arms):
            found = "a calibration and " + ("a column of traces" if self.trace else "no state_pose to project")
            raise ConfigError(found, "one source of traces that can be used", "Leave one of them out.")

    @property
    def arms(self) -> int:
        """Number of tips whose pose is in the state."""
        return len(self.state_pose) // (3 + ROTATIONS[self.state_rotation])


def load_mapping(path) -> Mapping:
    """Read a mapping from a YAML file. MissingPart or ConfigError."""
    try:
        return read_options(path, Mapping)
    except ConfigError as error:
        found = error.found.replace("Mapping.", "")
        raise ConfigError(f"mapping '{path}': {found}", error.expected, "Correct it (docs/dataset.md).") from None


def _require_poses(mapping: Mapping) -> None:
    """Refuse entries that do not add up to whole arms. ConfigError."""
    _require_whole("state", mapping.state_pose, mapping.state_rotation, mapping.arms)
    if mapping.action_frame != RAW:
        if not mapping.arms:
            found = f"actions that are {mapping.action_frame} without state_pose"
            raise ConfigError(found, "the tip's pose", f"State it, or action_frame: {RAW}.")
        _require_whole("action", mapping.action_pose, mapping.action_rotation, mapping.arms)
        if len(mapping.action_gripper) != mapping.arms:
            found = f"{len(mapping.action_gripper)} entries in action_gripper for {mapping.arms} arm(s)"
            raise ConfigError(found, "one per arm", "State which entry of the action is the gripper.")
    if len(mapping.state_gripper) not in (0, max(mapping.arms, 1), len(mapping.action_gripper)):
        found = f"{len(mapping.state_gripper)} entries in state_gripper for {mapping.arms} arm(s)"
        raise ConfigError(found, "one per arm, or none", "Correct the mapping.")


def _require_whole(name: str, pose, rotation: str, arms: int) -> None:
    size = 3 + ROTATIONS[rotation]
    if len(pose) != arms * size:
        found = f"{len(pose)} entries in {name}_pose for {arms} arm(s) with rotation {rotation}"
        raise ConfigError(found, f"{size} per arm: x, y, z and {size - 3} of the rotation", "Correct the mapping.")
