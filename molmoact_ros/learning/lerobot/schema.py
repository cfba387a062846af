"""What an action-reasoning dataset holds: LeRobot's own files, and one of ours that says what the numbers mean.

LeRobot v3.0: meta/info.json, meta/stats.json, meta/tasks.parquet, meta/episodes/…, data/chunk-000/file-000.parquet;
pictures are PNG inside the parquet files, so that nothing is lost.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...errors import InvalidData, MissingPart
from ...reasoning.action_frame import ABSOLUTE
from ..records import DEPTH_COUNT, KEYPOINTS

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO, STATS, TASKS, MEANING = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/molmoact.json"
NORM_STATS = "meta/norm_stats.json"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
CAMERA, STATE, ACTION = "observation.images.front", "observation.state", "action"
CHUNK, BINS, DEPTH = "reasoning.chunk", "reasoning.action_bins", "reasoning.depth_tokens"
COUNTERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
# An episode's number in the data that the dataset was made of.
SOURCE_EPISODE = "source_episode"
FORMAT = 1
# Actions that are no poses: kept as they were.
RAW = "controller_input"
# No such point, no such code.
NONE = -1
_POSE = ("x", "y", "z", "roll", "pitch", "yaw")
_COLUMNS = {
    STATE: "per arm: tip x y z [m], roll pitch yaw [rad] in the base frame, opening of the gripper [m]",
    ACTION: "what is commanded until the next frame: the first row of reasoning.chunk",
    CHUNK: "rows for the next `horizon` frames, one after the other; the last one is repeated at an episode's end",
    BINS: "columns `dims` of reasoning.chunk in bins 0..254 between `q01` and `q99`, row after row",
    DEPTH: "10 x 10 codes of the depth VQ-VAE; -1: not computed",
    "reasoning.trace": "per arm 5 points u v of the tip's way, 0..255 of the picture's width and height; -1: none",
    "reasoning.trace_length": "per arm: points that count; 0: nothing in sight fits the task, or the tip is not known",
    "reasoning.points": "per arm u v, 0..1 of the picture, of what is handled, where it goes, the tip; NaN: not known",
    "reasoning.far": "per arm: 1: the tip is more than 5 cm away from where something is to happen",
    "counterfactual": "the same for other tasks that could be asked of this picture; task_index counts in `sentences`",
}  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """What the numbers of a dataset mean: the content of meta/molmoact.json.

    action_frame: absolute_base: poses in the base frame; controller_input: the source's own actions, kept as they were.
    action_dims: numbers per action, of them `grippers` are grippers, 1 = open. arms: 0 where the tip is not known.
    dims: columns of an action that have bins, q01 and q99 their ends; the others stand still. labels: per picture, the
    first one is what was demonstrated. key: of norm_stats.json. trace: given, calibration, column or none. sentences:
    those of the counterfactual tasks, apart from LeRobot's own table, which its tools renumber.
    """

    action_frame: str
    action_dims: int
    grippers: tuple[int, ...]
    arms: int
    state_dims: int
    horizon: int
    labels: int
    key: str
    trace: str = "given"
    gripper_max_width_m: float = 0.08
    source: dict = field(default_factory=dict)
    dims: tuple[int, ...] = ()
    q01: tuple[float, ...] = ()
    q99: tuple[float, ...] = ()
    sentences: tuple[str, ...] = ()
    camera: str = CAMERA
    gripper: str = "open_is_1"
    rotation: str = "roll pitch yaw [rad] about the fixed x y z axes"
    format: int = FORMAT

    @property
    def tracks(self) -> int:
        """Tips that have traces and keypoints; at least one, so that every dataset has the same columns."""
        return max(self.arms, 1)

    def save(self, folder) -> None:
        """Write meta/molmoact.json."""
        text = json.dumps({**asdict(self), "columns": _COLUMNS}, indent=1, ensure_ascii=False)
        (Path(folder) / MEANING).write_text(text + "\n")

    @classmethod
    def load(cls, folder) -> "Meaning":
        """Read it. MissingPart or InvalidData."""
        data = read_json(folder, MEANING, "Convert the dataset first: molmoact dataset convert")
        data.pop("columns", None)
        if data.get("format") != FORMAT or set(data) != set(cls.__dataclass_fields__):
            raise InvalidData(f"'{MEANING}' of another format", f"format {FORMAT}", "Make the dataset anew.")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def read_json(folder, name: str, do: str) -> dict:
    """Read a JSON object of a dataset. MissingPart or InvalidData."""
    path = Path(folder) / name
    if not path.is_file():
        raise MissingPart(f"no '{path}'", "the folder of a dataset", do)
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidData(f"'{path}' cannot be read ({error})", "JSON", "Fetch the dataset again.") from None
    if not isinstance(data, dict):
        raise InvalidData(f"'{path}' holds {type(data).__name__}", "a JSON object", "Fetch the dataset again.")
    return data


def features(meaning: Meaning, picture_shape) -> dict:
    """Return LeRobot's description of every column; `picture_shape` begins with height and width [px]."""
    height, width = picture_shape[:2]
    poses = meaning.arms if meaning.action_frame == ABSOLUTE else 0
    state = _named(_POSE + ("gripper_width",), meaning.arms) or [f"s{i}" for i in range(meaning.state_dims)]
    columns = {
        CAMERA: {"dtype": "image", "shape": [height, width, 3], "names": ["height", "width", "channels"]},
        STATE: _numbers("float32", meaning.state_dims, state),
        ACTION: _numbers("float32", meaning.action_dims, _named(_POSE + ("gripper",), poses) or _plain(meaning)),
        DEPTH: _numbers("int64", DEPTH_COUNT),
        BINS: _numbers("int64", meaning.horizon * len(meaning.dims)),
    }
    for name, (dtype, shape) in labelled(meaning).items():
        size = _size(shape)
        columns[f"reasoning.{name}"] = _numbers(dtype, size)
        if meaning.labels > 1:
            columns[f"counterfactual.{name}"] = _numbers(dtype, size * (meaning.labels - 1))
    if meaning.labels > 1:
        columns["counterfactual.task_index"] = _numbers("int64", meaning.labels - 1)
    kinds = {"timestamp": "float32"}
    return columns | {name: _numbers(kinds.get(name, "int64"), 1) for name in COUNTERS}


def labelled(meaning: Meaning) -> dict:
    """Return what every label of a picture has: name -> (dtype, shape)."""
    tips = meaning.tracks
    return {
        "chunk": ("float32", (meaning.horizon, meaning.action_dims)),
        "trace": ("int64", (tips, 5, 2)),
        "trace_length": ("int64", (tips,)),
        "points": ("float32", (tips, KEYPOINTS, 2)),
        "far": ("int64", (tips,)),
    }


def _size(shape) -> int:
    size = 1
    for one in shape:
        size *= one
    return size


def _named(names, arms: int) -> list[str]:
    """Return the names of all arms; a second arm's end in _2."""
    return [name + (f"_{arm + 1}" if arm else "") for arm in range(arms) for name in names]


def _plain(meaning: Meaning) -> list[str]:
    return [f"gripper_{i}" if i in meaning.grippers else f"a{i}" for i in range(meaning.action_dims)]


def _numbers(dtype: str, count: int, names: list[str] | None = None) -> dict:
    return {"dtype": dtype, "shape": [count], "names": names}
