"""How numbers are spelled in the answers of one embedded model: which columns, between which ends, on what picture."""

import math
from dataclasses import dataclass, field

import numpy as np

from ..arms.profile import FR3
from ..errors import InvalidData
from ..geometry import rotation_from_rpy
from ..reasoning.action_codec import ActionCodec
from ..reasoning.action_frame import ABSOLUTE, CHUNK_RELATIVE, DELTA, from_base
from ..runtime.grammar import SECTIONS
from ..sim.language import WORDS
from .demonstrations import CAMERA, MODEL_IMAGE
from .expert import DT_S, HORIZON
from .records import Records

# Tip x, y, z and the gripper's opening, in records.Records.state.
STATE_DIMS = (0, 1, 2, 6)
_POSE_DIMS = 7
# States a little beyond what a dataset has seen [m].
_ROOM = 0.01


def _tabletop_actions() -> ActionCodec:
    return ActionCodec([0.25, -0.40, 0.0, 0.0], [0.75, 0.40, 0.5, 1.0])


def _tabletop_state() -> ActionCodec:
    return ActionCodec([0.25, -0.40, 0.0, 0.0], [0.75, 0.40, 0.5, 0.08])


@dataclass(frozen=True)
class Spelling:
    """The defaults are those of the simulated tabletop, whose rotation is constant and costs no tokens.

    dims: columns of a row that have tokens, `constant` fills the others. action, state: ranges of their bins. words:
    what instructions are made of. image_size (w, h) px, camera: what the model looks at. rate_hz: rows per second.
    as_recorded: the chunks are in `action_frame` already. sections: what an answer has.
    """

    dims: tuple[int, ...] = (0, 1, 2, 6)
    constant: tuple[float, ...] = (0.0, 0.0, 0.0, math.pi, 0.0, 0.0, 0.0)
    action: ActionCodec = field(default_factory=_tabletop_actions)
    state: ActionCodec = field(default_factory=_tabletop_state)
    words: tuple[str, ...] = WORDS
    camera: str = CAMERA
    image_size: tuple[int, int] = MODEL_IMAGE
    horizon: int = HORIZON
    rate_hz: float = 1 / DT_S
    action_frame: str = ABSOLUTE
    sections: tuple[str, ...] = SECTIONS
    as_recorded: bool = False

    def bins(self, chunk: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Return the action bins (h, dims) of absolute poses (h, 7) that follow from a state (7,)."""
        rows = chunk
        if self.action_frame in (DELTA, CHUNK_RELATIVE) and not self.as_recorded:
            rows = from_base(chunk, self.action_frame, pose_of(state))
        return self.action.encode(rows[:, self.dims])

    def manifest(self, name: str) -> dict:
        """Return the manifest of a model that spells like this."""
        return {
            "name": name, "layout": "embedded", "source": "molmoact train embedded", "license": "Apache-2.0",
            "cameras": [self.camera], "arms": 1, "horizon": self.horizon, "control_rate_hz": self.rate_hz,
            "action_frame": self.action_frame, "gripper": "open_is_1", "unnorm_key": "embedded",
            "norm_stats": "norm_stats.json",
            "embedded": {
                "dims": list(self.dims), "constant": list(self.constant), "image_size": list(self.image_size),
                "sections": list(self.sections),
            },
        }  # fmt: skip

    def statistics(self) -> dict:
        """Return the norm_stats of such a model."""
        parts = {"action": self.action, "proprio": self.state}
        return {"embedded": {k: {"q01": c.q01.tolist(), "q99": c.q99.tolist()} for k, c in parts.items()}}


def spelling_of(records: Records, meaning, rate_hz: float, camera: str) -> Spelling:
    """Return the spelling of a LeRobot dataset whose actions are poses of one arm. InvalidData for others."""
    size = records.chunk.shape[3]
    if size != _POSE_DIMS or meaning.action_frame == "controller_input":
        found = f"actions of {size} numbers, {meaning.action_frame}"
        raise InvalidData(found, "poses of one arm: x y z roll pitch yaw gripper", "Convert them to poses first.")
    known = records.trace_length[:, 0] > 0
    if known.mean() < 0.5:
        found = f"traces on {known.mean():.0%} of the pictures"
        raise InvalidData(found, "traces", "Name a calibration or a column of points in the mapping.")
    if not np.all(records.trace_length[known, 0] == records.trace.shape[2]):
        raise InvalidData("traces of fewer than 5 points", "5 points each", "Convert the dataset anew.")
    ends = records.state[:, STATE_DIMS].astype(float)
    low, high = ends.min(0) - _ROOM, ends.max(0) + _ROOM
    # readings overshoot the gripper's stops
    low[3], high[3] = 0.0, min(high[3], FR3.gripper_max_width_m)
    words = sorted({w for said in records.instructions for w in said.lower().split()})
    height, width = records.image.shape[1:3]
    return Spelling(
        dims=meaning.dims, constant=tuple(np.median(records.chunk[:, 0, 0], 0).tolist()),
        action=ActionCodec(meaning.q01, meaning.q99), state=ActionCodec(low, high), words=tuple(words),
        camera=camera, image_size=(width, height), horizon=records.horizon, rate_hz=rate_hz,
        action_frame=meaning.action_frame, as_recorded=True,
    )  # fmt: skip


def tabletop(action_frame: str = ABSOLUTE, sections: tuple[str, ...] = SECTIONS) -> Spelling:
    """Return the spelling of the simulated tabletop with another frame of its actions, or fewer sections."""
    if action_frame == ABSOLUTE:
        return Spelling(sections=sections)
    # A step of the expert is at most 5 cm; eight of them are 40.
    reach = 0.06 if action_frame == DELTA else 0.42
    ranges = ActionCodec([-reach, -reach, -reach, 0.0], [reach, reach, reach, 1.0])
    return Spelling(constant=(0.0,) * 7, action=ranges, action_frame=action_frame, sections=sections)


def pose_of(state: np.ndarray) -> np.ndarray:
    """Return T_base_ee (4, 4) of a recorded state: x y z [m], roll pitch yaw [rad], opening."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation_from_rpy(state[3:6].astype(float)), state[:3]
    return T
