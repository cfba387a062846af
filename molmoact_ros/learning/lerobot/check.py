"""Is a dataset what it says? Every fault is one line with a name; nothing is repaired silently."""

import json
from pathlib import Path

import numpy as np

from ...errors import InvalidData, MolmoActError, missing_package
from .reader import column, data_files, pictures
from .schema import ACTION, INFO, STATE, STATS, Meaning, read_json
from .statistics import statistics

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise missing_package("pyarrow", "learning") from error

_GAP = 1e-4


def check(folder) -> list[tuple[str, str]]:
    """Return (name of the check, "" or what is wrong) for an action-reasoning dataset."""
    try:
        meaning = Meaning.load(folder)
        info = read_json(folder, INFO, "Fetch the dataset again.")
        table = pa.concat_tables([pq.read_table(file) for file in data_files(folder)])
    except MolmoActError as error:
        return [("files", str(error))]
    checks = {
        "camera": _camera, "numbers": _numbers, "dimensions": _dimensions, "indices": _indices,
        "traces": _traces, "gripper": _gripper, "bins": _bins, "statistics": _statistics,
    }  # fmt: skip
    return [("files", ""), *((name, _said(one, Path(folder), meaning, info, table)) for name, one in checks.items())]


def _said(one, *arguments) -> str:
    try:
        one(*arguments)
    except MolmoActError as error:
        return str(error)
    return ""


def _camera(folder, meaning, info, table) -> None:
    if meaning.camera not in table.column_names:
        cameras = [n for n, f in info["features"].items() if f["dtype"] == "image"]
        raise InvalidData(f"no camera '{meaning.camera}'", f"one of {cameras}", "Convert the dataset anew.")
    pictures(table.slice(0, 1), meaning.camera)


def _numbers(folder, meaning, info, table) -> None:
    for name in (STATE, ACTION, "reasoning.chunk"):
        bad = ~np.isfinite(column(table, name).astype(float).reshape(table.num_rows, -1))
        if bad.any():
            row = int(np.argwhere(bad)[0, 0])
            raise InvalidData(f"NaN in '{name}', row {row}", "numbers", "Leave that episode out.")


def _dimensions(folder, meaning, info, table) -> None:
    size = column(table, ACTION).reshape(table.num_rows, -1).shape[1]
    chunk = column(table, "reasoning.chunk").reshape(table.num_rows, -1).shape[1]
    if chunk != size * meaning.horizon or (meaning.dims and max(meaning.dims) >= size):
        found = f"actions of {size} numbers, chunks of {chunk}, bins for columns {list(meaning.dims)}"
        raise InvalidData(found, f"{meaning.horizon} rows of one and the same dimension", "Convert the dataset anew.")


def _indices(folder, meaning, info, table) -> None:
    index, episode = column(table, "index").ravel(), column(table, "episode_index").ravel()
    if not np.array_equal(index, np.arange(len(index))) or np.any(np.diff(episode) < 0):
        raise InvalidData("frames that are not in order", "index 0, 1, 2 …, episodes one after the other", "Sort them.")
    if info["total_frames"] != len(index):
        raise InvalidData(f"{len(index)} frames, {info['total_frames']} in {INFO}", "as many", "Fetch it again.")


def _traces(folder, meaning, info, table) -> None:
    trace = column(table, "reasoning.trace")
    if trace.min() < -1 or trace.max() > 255:
        raise InvalidData(f"trace points {trace.min()}..{trace.max()}", "0..255, -1 = none", "Convert pixels first.")


def _gripper(folder, meaning, info, table) -> None:
    action, state = column(table, ACTION), column(table, STATE)
    if action.shape[1] != 7 or meaning.action_frame == "controller_input":
        return
    said = action[:, 6]
    if said.min() < -0.05 or said.max() > 1.05:
        raise InvalidData(f"gripper actions {said.min():.2g}..{said.max():.2g}", "0..1, 1 = open", "Convert it anew.")
    moved = np.append(np.diff(state[:, 6]), 0.0)
    moved[np.append(np.diff(column(table, "episode_index").ravel()), 1) != 0] = 0.0
    if said.std() > 1e-6 and moved.std() > 1e-9 and (together := np.corrcoef(said, moved)[0, 1]) < -0.2:
        found = f"a gripper that closes when the actions open it (correlation {together:.2f})"
        raise InvalidData(found, "1 = open", "Convert it with gripper: closed_is_1.")


def _bins(folder, meaning, info, table) -> None:
    bins = column(table, "reasoning.action_bins")
    if bins.min() < 0 or bins.max() > 254:
        raise InvalidData(f"action bins {bins.min()}..{bins.max()}", "0..254", "Convert the dataset anew.")


def _statistics(folder, meaning, info, table) -> None:
    stored = json.loads((folder / STATS).read_text())
    for name in (STATE, ACTION):
        now = statistics(column(table, name).astype(float))
        for key in ("mean", "q01", "q99"):
            here = np.asarray(stored.get(name, {}).get(key, []), float)
            if here.shape != np.shape(now[key]) or np.abs(here - now[key]).max() > _GAP * (1 + np.abs(here).max()):
                raise InvalidData(f"statistics of other data ({key} of '{name}')", "those of this one", "Recompute.")
