"""Read an action-reasoning dataset back as records: the inverse of the writer, bit by bit."""

from pathlib import Path

import numpy as np

from ...errors import InvalidData, MissingPart, missing_package
from ...perception import raster
from ..records import Records
from .schema import INFO, STATE, TASKS, Meaning, read_json

try:
    import pyarrow.parquet as pq
except ImportError as error:
    raise missing_package("pyarrow", "learning") from error


def data_files(folder) -> list[Path]:
    """Return the parquet files of a dataset in order. MissingPart without any."""
    files = sorted(Path(folder).glob("data/chunk-*/*.parquet"))
    if not files:
        raise MissingPart(f"no data in '{folder}'", "data/chunk-000/*.parquet", "Fetch the dataset again.")
    return files


def column(table, name: str) -> np.ndarray:
    """Return a column of numbers as (n, …) array. InvalidData when the dataset has none of this name."""
    if name not in table.column_names:
        raise InvalidData(f"no column '{name}'", f"one of {sorted(table.column_names)}", "Name the right one.")
    return np.array(table[name].to_pylist())


def pictures(table, name: str) -> np.ndarray:
    """Return the decoded pictures (n, h, w, 3) uint8 RGB of an image column. InvalidData for broken ones."""
    found = []
    for row, cell in enumerate(table[name].to_pylist()):
        data = cell.get("bytes") if isinstance(cell, dict) else None
        picture = raster.decode(data or b"")
        if picture is None:
            raise InvalidData(f"row {row} of '{name}' holds no picture", "PNG or JPEG bytes", "Fetch it again.")
        found.append(picture)
    return np.stack(found)


def tasks_of(folder) -> list[str]:
    """Return the sentences by their task index."""
    path = Path(folder) / TASKS
    if not path.is_file():
        raise MissingPart(f"no '{path}'", "the table of tasks", "Fetch the dataset again.")
    table = pq.read_table(path)
    names = [n for n in table.column_names if n != "task_index"]
    pairs = zip(table["task_index"].to_pylist(), table[names[0]].to_pylist())
    return [text for _, text in sorted(pairs)]


def described(folder) -> tuple[Meaning, float, str]:
    """Return what a dataset's numbers mean, its rows per second, and the short name of its camera."""
    meaning = Meaning.load(folder)
    info = read_json(folder, INFO, "Fetch the dataset again.")
    return meaning, float(info["fps"]), meaning.camera.rpartition(".")[2]


def read_dataset(folder) -> Records:
    """Return the records of a dataset that the writer made. MissingPart or InvalidData."""
    meaning = Meaning.load(folder)
    read_json(folder, INFO, "Fetch the dataset again.")
    parts = [_part(pq.read_table(file), meaning) for file in data_files(folder)]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    depth = arrays.pop("depth")
    rows = np.flatnonzero((depth >= 0).all(1))
    return Records(
        **arrays, depth_codes=depth[rows].astype(np.uint8), depth_rows=rows, instructions=tuple(tasks_of(folder))
    )


def _part(table, meaning: Meaning) -> dict:
    n, labels, horizon = table.num_rows, meaning.labels, meaning.horizon
    trace = _labelled(table, "trace", labels, (5, 2))
    length = (trace[..., 0] >= 0).sum(-1)
    first, others = column(table, "task_index").reshape(n, 1), np.zeros((n, 0), int)
    if labels > 1:
        others = column(table, "counterfactual.task_index").reshape(n, -1)
    chunk = _labelled(table, "chunk", labels, (horizon, -1)).astype(np.float32)
    return {
        "image": pictures(table, meaning.camera),
        "state": column(table, STATE).astype(np.float32),
        "instruction": np.concatenate([first, others], axis=1),
        "trace": np.where(trace < 0, 0, trace).astype(np.uint8),
        "trace_length": length,
        "chunk": chunk,
        "points": _labelled(table, "points", labels, (3, 2)).astype(np.float32),
        "far": _labelled(table, "far", labels, ())[:].astype(bool),
        "episode": column(table, "episode_index"),
        "depth": column(table, "reasoning.depth_tokens"),
    }


def _labelled(table, name: str, labels: int, shape: tuple) -> np.ndarray:
    """Return (n, labels, *shape): the demonstrated label first, the others after it."""
    n = table.num_rows
    first = column(table, f"reasoning.{name}").reshape(n, 1, *shape)
    if labels == 1:
        return first
    others = column(table, f"counterfactual.{name}").reshape(n, labels - 1, *first.shape[2:])
    return np.concatenate([first, others], axis=1)
