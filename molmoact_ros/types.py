"""The nouns of the system: frozen, read-only, checked once when built.

Stamps are nanoseconds of the observation behind a value, unchanged from the camera to the command. Metres, radians.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Mapping

import numpy as np

from .errors import InvalidData
from .latency import SectionCost

MAX_TRACE_POINTS = 5
TRACE_RANGE = 256
ACTION_CONVENTIONS = ("absolute_base", "delta_base")
COMMAND_SPACES = ("joint", "ee", "hold")


def _require(condition, found: str, expected: str) -> None:
    if not condition:
        raise InvalidData(found, expected, "Fix the producer.")


def _frozen_array(owner, name: str, dtype, shape: tuple) -> np.ndarray:
    """Convert field `name` to a read-only array and check its shape (None = any length)."""
    array = np.array(getattr(owner, name), dtype=dtype)
    fits = array.ndim == len(shape) and all(s is None or s == n for s, n in zip(shape, array.shape))
    _require(fits, f"{type(owner).__name__}.{name} has shape {array.shape}", f"shape {shape}, None = any")
    array.flags.writeable = False
    object.__setattr__(owner, name, array)
    return array


@dataclass(frozen=True)
class RobotState:
    """One arm at one instant: q, dq [rad, rad/s], T_base_ee (4, 4), gripper width [m].

    wrench: external force [N] and torque [Nm] at the end effector, in base axes.
    """

    stamp_ns: int
    q: np.ndarray
    dq: np.ndarray
    T_base_ee: np.ndarray
    gripper_width_m: float
    wrench: np.ndarray = field(default_factory=lambda: np.zeros(6))

    def __post_init__(self):
        for name, shape in (("q", (7,)), ("dq", (7,)), ("T_base_ee", (4, 4)), ("wrench", (6,))):
            _frozen_array(self, name, np.float64, shape)


@dataclass(frozen=True)
class Frame:
    """What was seen at one instant, and where the robot was.

    images: camera name -> (h, w, 3) uint8 RGB. depth_m: (h, w) float32 metres of the first camera, NaN = no reading.
    K: (3, 3) intrinsics in pixels of the first camera. T_base_camera: (4, 4), its optical frame (x right, y down,
    z forward).
    """

    stamp_ns: int
    images: Mapping[str, np.ndarray]
    depth_m: np.ndarray
    K: np.ndarray
    T_base_camera: np.ndarray
    robot: RobotState

    def __post_init__(self):
        _require(len(self.images) > 0, "Frame without images", "at least one camera image")
        frozen = {name: np.array(image, dtype=np.uint8) for name, image in self.images.items()}
        for name, image in frozen.items():
            _require(image.ndim == 3 and image.shape[2] == 3, f"image '{name}' {image.shape}", "(h, w, 3) RGB")
            image.flags.writeable = False
        object.__setattr__(self, "images", MappingProxyType(frozen))
        _frozen_array(self, "depth_m", np.float32, (None, None))
        _frozen_array(self, "K", np.float64, (3, 3))
        _frozen_array(self, "T_base_camera", np.float64, (4, 4))

    @property
    def first_image(self) -> np.ndarray:
        """The image that depth, trace and calibration belong to."""
        return next(iter(self.images.values()))


@dataclass(frozen=True)
class DepthTokens:
    """A depth map as a grid of codebook indices (MolmoAct, arXiv 2508.07917, section 2.3)."""

    stamp_ns: int
    codes: np.ndarray
    codebook_size: int
    source: str

    def __post_init__(self):
        codes = _frozen_array(self, "codes", np.int64, (None, None))
        fits = codes.size and np.all((codes >= 0) & (codes < self.codebook_size))
        _require(fits, "a code outside the book", f"codes in 0..{self.codebook_size - 1}")
        _require(self.source in ("sensor", "model"), f"source '{self.source}'", "'sensor' or 'model'")


@dataclass(frozen=True)
class Trace:
    """Where the gripper will go, in the image: 1-5 points (u right, v down), each 0..255 of width and height."""

    stamp_ns: int
    points: np.ndarray
    image_size: tuple[int, int]
    author: str

    def __post_init__(self):
        points = _frozen_array(self, "points", np.float64, (None, 2))
        _require(1 <= len(points) <= MAX_TRACE_POINTS, f"{len(points)} trace points", "1 to 5")
        _require(np.all((points >= 0) & (points < TRACE_RANGE)), "a trace point outside the image", "0..255 in both")
        _require(self.author in ("model", "operator"), f"author '{self.author}'", "'model' or 'operator'")

    def pixels(self) -> np.ndarray:
        """Scale to pixels of the image: (N, 2) float, x = u / 255 * (w - 1) (spec section 5)."""
        width, height = self.image_size
        return self.points / (TRACE_RANGE - 1) * np.array([width - 1, height - 1])


@dataclass(frozen=True)
class ActionChunk:
    """The low-level motion: row k is due `(k + 1) * dt_s` after the stamp; its gripper acts on the way there.

    actions: (H, 7 * arms), per arm x, y, z [m], roll, pitch, yaw [rad, extrinsic xyz], gripper (1 = open, 0 = closed).
    convention: 'absolute_base' = end-effector pose in the base frame; 'delta_base' = change since the row before.
    """

    stamp_ns: int
    dt_s: float
    actions: np.ndarray
    convention: str
    arm_names: tuple[str, ...] = ("fr3",)

    def __post_init__(self):
        actions = _frozen_array(self, "actions", np.float64, (None, 7 * len(self.arm_names)))
        _require(len(actions) and self.dt_s > 0, f"{len(actions)} rows every {self.dt_s} s", "rows and a positive step")
        _require(self.convention in ACTION_CONVENTIONS, f"convention '{self.convention}'", str(ACTION_CONVENTIONS))

    @property
    def finite(self) -> bool:
        """Whether every value is a number."""
        return bool(np.all(np.isfinite(self.actions)))


@dataclass(frozen=True)
class Plan:
    """One answer of the model; the time of each part [ms], what decoding its sections cost."""

    plan_id: int
    instruction: str
    depth_tokens: DepthTokens
    trace: Trace
    chunk: ActionChunk
    latency_ms: Mapping[str, float]
    costs: Mapping[str, SectionCost] = field(default_factory=dict)

    @property
    def stamp_ns(self) -> int:
        """The stamp of the observation that caused the plan."""
        return self.chunk.stamp_ns


@dataclass(frozen=True)
class Refusal:
    """No plan, and why: `name` is a fixed identifier, `detail` a sentence for the operator."""

    stamp_ns: int
    name: str
    detail: str
    instruction: str = ""


@dataclass(frozen=True)
class Command:
    """One setpoint for all arms of the cell.

    space 'joint': targets (arms, 7) rad. 'ee': targets (arms, 7) = x y z [m], qx qy qz qw in the base frame.
    'hold': come to rest; targets are ignored. gripper_width_m: (arms,) opening that is wanted.
    stamp_ns is the stamp of the observation behind it, issued_ns the moment it was computed.
    """

    stamp_ns: int
    issued_ns: int
    sequence: int
    plan_id: int
    space: str
    targets: np.ndarray
    gripper_width_m: np.ndarray
    arm_names: tuple[str, ...] = ("fr3",)

    def __post_init__(self):
        _frozen_array(self, "targets", np.float64, (len(self.arm_names), 7))
        _frozen_array(self, "gripper_width_m", np.float64, (len(self.arm_names),))
        _require(self.space in COMMAND_SPACES, f"space '{self.space}'", str(COMMAND_SPACES))


class VerdictKind(IntEnum):
    """What the supervisor did with a command, from free to final."""

    PASS = 0
    LIMIT = 1
    HOLD = 2
    STOP = 3


@dataclass(frozen=True)
class Verdict:
    """The supervisor's judgement: the command that may be issued, and why it was changed."""

    kind: VerdictKind
    command: Command
    reason: str = ""
    value: float = float("nan")
    bound: float = float("nan")


@dataclass(frozen=True)
class ArmProfile:
    """What is fixed about one arm model: names, limits (SI units; tip: m/s and rad/s), kinematics.

    dh: (8, 3) modified Denavit-Hartenberg rows a [m], d [m], alpha [rad]; the last row is the flange. dq_near: (7, 4)
    rows o [rad/s], s [rad/s^2], lower and upper stop [rad]; `way` before a stop a joint may do sqrt(s * way) - o.
    """

    name: str
    joint_names: tuple[str, ...]
    q_min: np.ndarray
    q_max: np.ndarray
    dq_max: np.ndarray
    dq_near: np.ndarray
    ddq_max: np.ndarray
    dddq_max: np.ndarray
    dh: np.ndarray
    T_flange_ee: np.ndarray
    home_q: np.ndarray
    gripper_max_width_m: float
    reach_m: float
    tip_speed_max: float
    tip_turn_max: float

    def __post_init__(self):
        joints = dict.fromkeys(("q_min", "q_max", "dq_max", "ddq_max", "dddq_max", "home_q"), (7,))
        for name, shape in {**joints, "dh": (8, 3), "dq_near": (7, 4), "T_flange_ee": (4, 4)}.items():
            _frozen_array(self, name, np.float64, shape)
