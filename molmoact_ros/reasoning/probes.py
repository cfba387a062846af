"""A few frames that every checkpoint is asked about before it may move an arm: does it look, or always say the same?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InvalidData, MissingPart
from ..types import Frame, RobotState

FILE = "models/probes.npz"


@dataclass(frozen=True)
class Probe:
    """One question: a frame with all cameras, an instruction, and the frame's depth codes (10, 10)."""

    frame: Frame
    instruction: str
    codes: np.ndarray


def save_probes(path, probes: list[Probe]) -> None:
    """Write probes; all must have the same cameras and picture size."""
    columns = {
        "instructions": [probe.instruction for probe in probes],
        "codes": [probe.codes for probe in probes],
        "q": [probe.frame.robot.q for probe in probes],
        "T_base_ee": [probe.frame.robot.T_base_ee for probe in probes],
        "gripper_width_m": [probe.frame.robot.gripper_width_m for probe in probes],
        "K": [probe.frame.K for probe in probes],
        "T_base_camera": [probe.frame.T_base_camera for probe in probes],
    }
    for name in probes[0].frame.images:
        columns[f"image_{name}"] = [probe.frame.images[name] for probe in probes]
    np.savez_compressed(path, **{name: np.array(values) for name, values in columns.items()})


def load_probes(path) -> list[Probe]:
    """Read probes; their depth images are left out (NaN). MissingPart or InvalidData."""
    if not Path(path).is_file():
        raise MissingPart(f"no '{path}'", "the probe frames of the checkpoint gate", "Fetch it with git.")
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = dict(file)
        return [_probe(columns, i) for i in range(len(columns["instructions"]))]
    except (ValueError, KeyError, OSError, IndexError) as error:
        found = f"'{path}' cannot be read ({type(error).__name__}: {error})"
        raise InvalidData(found, "probe frames", "Fetch it with git.") from None


def _probe(columns: dict, i: int) -> Probe:
    images = {name.removeprefix("image_"): columns[name][i] for name in columns if name.startswith("image_")}
    height, width = images["front"].shape[:2]
    robot = RobotState(0, columns["q"][i], np.zeros(7), columns["T_base_ee"][i], float(columns["gripper_width_m"][i]))
    # Frames name the camera first that depth, trace and calibration belong to.
    ordered = {"front": images["front"], **images}
    depth = np.full((height, width), np.nan)
    frame = Frame(0, ordered, depth, columns["K"][i], columns["T_base_camera"][i], robot)
    return Probe(frame, str(columns["instructions"][i]), columns["codes"][i])
