"""The inputs of every measurement: what a cell in closed loop asked its model, cycle by cycle, recorded once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InvalidData
from ...perception.depth_tokenizer import DepthTokenizer
from ...perception.raster import resize
from ...places import data_root
from ...reasoning.factory import Engine, open_reasoner
from ...reasoning.manifest import load_manifest
from ...runtime.depth_factory import open_depth_coder
from ...types import DepthTokens, Frame, RobotState

POLICY, DEPTH_MODEL = "models/embedded", "models/depth_vqvae"
# The recording's plans count so long after their frame; the hard prefix of mode `continue` assumes the same.
DELAY_NS = 400_000_000
_BETWEEN_EPISODES_NS = 10_000_000_000
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Cycle:
    """One question to the model, with the sensor's depth tokens of its frame and the policy's own answer ids (n,)."""

    seed: int
    frame: Frame
    instruction: str
    sensor: DepthTokens
    ids: np.ndarray


class _Recorder:
    """Stands where run_episode expects a reasoner: lets the policy answer and keeps question and answer."""

    def __init__(self, reasoner, tokenizer: DepthTokenizer):
        self._reasoner, self._tokenizer, self.cycles = reasoner, tokenizer, []
        self.seed, self._start_ns, self._last_ns = 0, 0, 0

    def begin(self, seed: int) -> None:
        """Go on with another table, after everything before it."""
        self.seed, self._start_ns = seed, self._last_ns + _BETWEEN_EPISODES_NS

    def forget(self) -> None:
        """Make no guesses from what was said before."""
        self._reasoner.forget()

    def plan(self, frame: Frame, instruction: str):
        """Answer as the policy does."""
        stamp_ns = self._last_ns = self._start_ns + frame.stamp_ns
        sensor = self._tokenizer.encode(frame.depth_m, stamp_ns)
        frame = _frame(stamp_ns, frame.images, frame.K, frame.T_base_camera, frame.robot)
        plan = self._reasoner.plan(frame, instruction, sensor)
        if sensor is not None:
            self.cycles.append(Cycle(self.seed, frame, instruction, sensor, self._reasoner.last_answer.ids))
        return plan


def cycles(path, count: int, say=print) -> list[Cycle]:
    """Return the first `count` cycles of a recording (.npz); it is made anew when it is shorter or of other weights."""
    weights = load_manifest(data_root() / POLICY).files.get(_WEIGHTS, "")
    if Path(path).is_file():
        found, made_with = load(path)
        if len(found) >= count and made_with == weights:
            return found[:count]
    say(f"recording {count} cycles in the plain simulator: {path}")
    recorded = record(count)
    save(path, recorded, weights)
    return recorded


def record(count: int) -> list[Cycle]:
    """Let the embedded model act in the plain simulator until it has been asked `count` times."""
    from ...learning.rollout import run_episode
    from ...sim.language import instruction
    from ...sim.layout import FIRST_TEST_SEED, sample_layout
    from ...sim.scene import CAMERAS
    from ...sim.world import World

    class BothCameras(World):
        """Shows the wrist camera, too: published models look through it."""

        def frame(self, stamp_ns: int = 0, cameras=CAMERAS) -> Frame:
            return super().frame(stamp_ns, cameras)

    coder = open_depth_coder(data_root() / DEPTH_MODEL)
    tokenizer = DepthTokenizer(coder.encode, coder.decode, coder.codebook_size)
    recorder = _Recorder(open_reasoner(data_root() / POLICY, resize, engine=Engine()), tokenizer)
    world, seed = BothCameras(), FIRST_TEST_SEED
    while len(recorder.cycles) < count:
        recorder.begin(seed)
        layout = sample_layout(seed)
        run_episode(recorder, world, layout, instruction(layout))
        seed += 1
    world.renderer.close()
    return recorder.cycles[:count]


def save(path, recorded: list[Cycle], weights: str) -> None:
    """Write a recording; depth images are left out, their tokens are there. weights: sha256 of those that answered."""
    frames = [cycle.frame for cycle in recorded]
    longest = max(len(cycle.ids) for cycle in recorded)
    columns = {
        "weights": weights,
        "seed": [cycle.seed for cycle in recorded],
        "stamp_ns": [frame.stamp_ns for frame in frames],
        "instruction": [cycle.instruction for cycle in recorded],
        "codes": [cycle.sensor.codes for cycle in recorded],
        "codebook_size": [cycle.sensor.codebook_size for cycle in recorded],
        "ids": [np.pad(cycle.ids, (0, longest - len(cycle.ids)), constant_values=-1) for cycle in recorded],
        "K": [frame.K for frame in frames],
        "T_base_camera": [frame.T_base_camera for frame in frames],
        **{name: [getattr(frame.robot, name) for frame in frames] for name in ("q", "T_base_ee", "gripper_width_m")},
        **{f"image_{name}": [frame.images[name] for frame in frames] for name in frames[0].images},
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    np.savez_compressed(partial, **{name: np.array(values) for name, values in columns.items()})
    partial.rename(path)


def load(path) -> tuple[list[Cycle], str]:
    """Read a recording and the sha256 of the weights that answered in it. InvalidData."""
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = dict(file)
        return [_cycle(columns, i) for i in range(len(columns["seed"]))], str(columns["weights"])
    except (ValueError, KeyError, OSError, IndexError) as error:
        found = f"'{path}' cannot be read ({type(error).__name__}: {error})"
        raise InvalidData(found, "a recording of cycles", "Remove it; it is made again.") from None


def _cycle(columns: dict, i: int) -> Cycle:
    stamp_ns = int(columns["stamp_ns"][i])
    names = [name.removeprefix("image_") for name in columns if name.startswith("image_")]
    robot = RobotState(
        stamp_ns, columns["q"][i], np.zeros(7), columns["T_base_ee"][i], float(columns["gripper_width_m"][i])
    )
    images = {name: columns[f"image_{name}"][i] for name in names}
    frame = _frame(stamp_ns, images, columns["K"][i], columns["T_base_camera"][i], robot)
    sensor = DepthTokens(stamp_ns, columns["codes"][i], int(columns["codebook_size"][i]), "sensor")
    ids = columns["ids"][i]
    return Cycle(int(columns["seed"][i]), frame, str(columns["instruction"][i]), sensor, ids[ids >= 0])


def _frame(stamp_ns: int, images, K, T_base_camera, robot: RobotState) -> Frame:
    """Return a frame without depth."""
    height, width = next(iter(images.values())).shape[:2]
    robot = RobotState(stamp_ns, robot.q, robot.dq, robot.T_base_ee, robot.gripper_width_m)
    return Frame(stamp_ns, images, np.full((height, width), np.nan), K, T_base_camera, robot)
