"""Write records as a LeRobot v3 dataset."""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...errors import InvalidData, missing_package
from ...perception import raster
from ...reasoning.action_codec import ActionCodec
from ..records import DEPTH_COUNT, Records
from .schema import (
    ACTION,
    COUNTERS,
    DATA_PATH,
    EPISODES,
    FRAMES_PER_FILE,
    INFO,
    STATE,
    STATS,
    TASKS,
    VERSION,
    Meaning,
    features,
)
from .statistics import picture_statistics, statistics

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise missing_package("pyarrow", "learning") from error


def write_dataset(records: Records, folder, meaning: Meaning, fps: float = 5.0, quiet: bool = True) -> Path:
    """Write `records` to a new folder and return it. InvalidData when there is something, or it holds a NaN."""
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InvalidData(f"'{folder}' is not empty", "a new folder", "Name another, or remove it.")
    refuse_nan(records)
    for part in ("meta/episodes/chunk-000", "data/chunk-000"):
        (folder / part).mkdir(parents=True)
    columns = _columns(records, meaning, fps)
    described = features(meaning, records.image.shape[1:], records.state.shape[1], records.chunk.shape[3])
    files = range(0, len(records), FRAMES_PER_FILE)
    for number, first in enumerate(tqdm(files, "LeRobot files", disable=quiet)):
        rows = slice(first, first + FRAMES_PER_FILE)
        table = _table({k: v[rows] for k, v in columns.items()}, records.image[rows], meaning.camera, described)
        pq.write_table(table, folder / DATA_PATH.format(chunk_index=0, file_index=number))
    _write_meta(records, folder, meaning, fps, columns, described)
    return folder


def refuse_nan(records: Records) -> None:
    """Refuse numbers that are none in what must have them; labels about nothing in sight do not count."""
    known = records.trace_length > 0
    for name, values in (("state", records.state), ("chunk", records.chunk[known])):
        bad = ~np.isfinite(values)
        if bad.any():
            first = int(np.argwhere(bad)[0, 0])
            raise InvalidData(f"{int(bad.sum())} NaN in '{name}' (first in row {first})", "numbers", "Leave those out.")


def _columns(records: Records, meaning: Meaning, fps: float) -> dict:
    """Return every column but the picture as (n, …) arrays."""
    n = len(records)
    trace = np.where(_used(records)[..., None], records.trace.astype(int), -1).reshape(n, -1, 10)
    codec = ActionCodec(meaning.q01, meaning.q99)
    bins = codec.encode(records.chunk[:, 0][..., meaning.dims])
    depth = np.full((n, DEPTH_COUNT), -1)
    depth[records.depth_rows] = records.depth_codes
    starts = np.flatnonzero(np.diff(records.episode, prepend=records.episode[0] - 1))
    lengths = np.diff(np.append(starts, n))
    frame = np.arange(n) - np.repeat(starts, lengths)
    found = {
        STATE: records.state, ACTION: records.chunk[:, 0, 0], "reasoning.depth_tokens": depth,
        "reasoning.trace": trace[:, 0], "reasoning.chunk": records.chunk[:, 0], "reasoning.action_bins": bins,
        "reasoning.points": records.points[:, 0], "reasoning.far": records.far[:, 0],
        "timestamp": frame / fps, "frame_index": frame, "episode_index": np.repeat(np.arange(len(starts)), lengths),
        "index": np.arange(n), "task_index": records.instruction[:, 0],
    }  # fmt: skip
    if meaning.labels > 1:
        found |= {
            "counterfactual.task_index": records.instruction[:, 1:], "counterfactual.trace": trace[:, 1:],
            "counterfactual.chunk": records.chunk[:, 1:], "counterfactual.points": records.points[:, 1:],
            "counterfactual.far": records.far[:, 1:],
        }  # fmt: skip
    return found


def _used(records: Records) -> np.ndarray:
    """Return which trace points (n, l, 5) count."""
    return np.arange(5) < records.trace_length[..., None]


def _table(columns: dict, pictures, camera: str, described: dict) -> pa.Table:
    cells = [{"bytes": raster.encode_png(picture), "path": None} for picture in pictures]
    arrays = {camera: pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
    for name, values in columns.items():
        kind = pa.float32() if described[name]["dtype"] == "float32" else pa.int64()
        flat = np.ascontiguousarray(values).reshape(len(values), -1).astype(kind.to_pandas_dtype())
        if name in COUNTERS or flat.shape[1] == 1:
            arrays[name] = pa.array(flat[:, 0], kind)
        else:
            arrays[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel(), kind), flat.shape[1])
    return pa.table(arrays)


def _write_meta(records: Records, folder: Path, meaning: Meaning, fps: float, columns: dict, described: dict) -> None:
    episodes = _episodes(records, columns)
    tasks = list(records.instructions)
    named = {"task_index": list(range(len(tasks))), "task": tasks}
    pq.write_table(pa.table(named, metadata=_index_of()), folder / TASKS)
    pq.write_table(pa.table(episodes), folder / EPISODES)
    stats = {name: statistics(values) for name, values in columns.items()}
    stats[meaning.camera] = picture_statistics(records.image)
    (folder / STATS).write_text(json.dumps(stats) + "\n")
    count = len(episodes["episode_index"])
    info = {
        "codebase_version": VERSION, "robot_type": "fr3", "total_episodes": count, "total_frames": len(records),
        "total_tasks": len(tasks), "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
        "fps": round(fps), "splits": {"train": f"0:{count}"}, "data_path": DATA_PATH, "video_path": None,
        "features": described,
    }  # fmt: skip
    (folder / INFO).write_text(json.dumps(info, indent=1) + "\n")
    meaning.save(folder)


def _index_of() -> dict:
    """Say, as pandas does, that the sentence is the table's index: LeRobot looks tasks up by it."""
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": stored, "metadata": None}
        for name, (kind, stored) in kinds.items()
    ]
    said = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    return {"pandas": json.dumps(said)}


def _episodes(records: Records, columns: dict) -> dict:
    episode = columns["episode_index"]
    starts = np.flatnonzero(np.diff(episode, prepend=-1))
    ends = np.append(starts[1:], len(episode))
    said = [dict.fromkeys(records.instruction[a:b, 0]) for a, b in zip(starts, ends)]
    tasks = [[records.instructions[i] for i in one] for one in said]
    zeros = [0] * len(starts)
    return {
        "episode_index": list(range(len(starts))), "tasks": tasks, "length": (ends - starts).tolist(),
        "data/chunk_index": zeros, "data/file_index": (starts // FRAMES_PER_FILE).tolist(),
        "dataset_from_index": starts.tolist(), "dataset_to_index": ends.tolist(),
        "meta/episodes/chunk_index": zeros, "meta/episodes/file_index": zeros,
    }  # fmt: skip
