"""What an action-reasoning dataset holds: LeRobot's own files, and one of ours that says what the numbers mean.

LeRobot v3.0: meta/info.json, meta/stats.json, meta/tasks.parquet, meta/episodes/…, data/chunk-000/file-000.parquet;
pictures are PNG inside the parquet files, so that nothing is lost.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import InvalidData, MissingPart

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO, STATS, TASKS, MEANING = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/molmoact.json"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
STATE, ACTION = "observation.state", "action"
POSE_NAMES = ("x", "y", "z", "roll", "pitch", "yaw")
COUNTERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
FRAMES_PER_FILE = 4000
FORMAT = 1


@dataclass(frozen=True)
class Meaning:
    """What the numbers of a dataset mean. Positions in metres, angles in radians, frames as in types.ActionChunk.

    camera: name of the picture's feature. action_frame: absolute_base, or the source's own. gripper: always open_is_1.
    dims: columns of an action that have bins; q01, q99: their ends. horizon: rows of a chunk.
    """

    camera: str
    action_frame: str
    horizon: int
    dims: tuple[int, ...]
    q01: tuple[float, ...]
    q99: tuple[float, ...]
    labels: int = 1
    gripper: str = "open_is_1"
    rotation: str = "rpy_extrinsic_xyz"
    trace: str = "0..255 of the picture, 5 points"
    format: int = FORMAT

    def save(self, folder) -> None:
        """Write meta/molmoact.json."""
        (Path(folder) / MEANING).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder) -> "Meaning":
        """Read it. MissingPart or InvalidData."""
        data = read_json(folder, MEANING, "Convert the dataset first: molmoact dataset convert")
        if data.get("format") != FORMAT or set(data) != {f for f in cls.__dataclass_fields__}:
            raise InvalidData(f"'{MEANING}' of another format", f"format {FORMAT}", "Make the dataset anew.")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def read_json(folder, name: str, do: str) -> dict:
    """Read a JSON object of a dataset. MissingPart or InvalidData."""
    path = Path(folder) / name
    if not path.is_file():
        raise MissingPart(f"no '{path}'", "a LeRobot dataset", do)
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidData(f"'{path}' cannot be read ({error})", "JSON", "Fetch the dataset again.") from None
    if not isinstance(data, dict):
        raise InvalidData(f"'{path}' holds {type(data).__name__}", "a JSON object", "Fetch the dataset again.")
    return data


def features(meaning: Meaning, picture_shape, state_dims: int, action_dims: int) -> dict:
    """Return LeRobot's description of every column."""
    height, width = picture_shape[:2]
    pose = [*POSE_NAMES, "gripper_width"] if state_dims == 7 else [f"s{i}" for i in range(state_dims)]
    action = [*POSE_NAMES, "gripper"] if action_dims == 7 else [f"a{i}" for i in range(action_dims)]
    rows, others = meaning.horizon * action_dims, meaning.labels - 1
    columns = {
        meaning.camera: {"dtype": "image", "shape": [height, width, 3], "names": ["height", "width", "channels"]},
        STATE: _numbers("float32", state_dims, pose),
        ACTION: _numbers("float32", action_dims, action),
        "reasoning.depth_tokens": _numbers("int64", 100),
        "reasoning.trace": _numbers("int64", 10),
        "reasoning.chunk": _numbers("float32", rows),
        "reasoning.action_bins": _numbers("int64", meaning.horizon * len(meaning.dims)),
        "reasoning.points": _numbers("float32", 6),
        "reasoning.far": _numbers("int64", 1),
    }
    if others:
        columns |= {
            "counterfactual.task_index": _numbers("int64", others),
            "counterfactual.trace": _numbers("int64", 10 * others),
            "counterfactual.chunk": _numbers("float32", rows * others),
            "counterfactual.points": _numbers("float32", 6 * others),
            "counterfactual.far": _numbers("int64", others),
        }
    kinds = {"timestamp": "float32"}
    return columns | {name: _numbers(kinds.get(name, "int64"), 1) for name in COUNTERS}


def _numbers(dtype: str, count: int, names: list[str] | None = None) -> dict:
    return {"dtype": dtype, "shape": [count], "names": names}
