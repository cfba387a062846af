"""Write action-reasoning data as a LeRobot v3 dataset: rows, pictures, statistics, and what they mean."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Iterable

import numpy as np
from tqdm import tqdm

from ...errors import InvalidData
from ...perception import raster
from ...reasoning.action_codec import ActionCodec
from ...reasoning.action_frame import ABSOLUTE
from ..records import DEPTH_COUNT, Records
from .schema import (
    ACTION, BINS, CAMERA, CHUNK, DATA_PATH, DEPTH, EPISODES, INFO, NONE, NORM_STATS, SOURCE_EPISODE, STATE,
    STATS, TASKS, VERSION, Meaning, features,
)  # fmt: skip
from .statistics import PictureStatistics, bin_ends, norm_stats, statistics
from .tables import TableWriter, write_episodes, write_tasks

# Columns in which every entry is a measurement.
MEASURED = (STATE, ACTION, CHUNK, "timestamp", "frame_index", "episode_index", "index", "task_index")


def write_dataset(
    records: Records, folder, fps: float = 5.0, ends: dict | None = None, key: str = "", quiet: bool = True
) -> Path:
    """Write `records` of one arm to a new folder.

    ends: dims, q01 and q99 of the bins, by default what the actions do. key: name of the statistics, by default the
    folder's. InvalidData: there is something in the folder, a NaN, an episode in pieces, actions that are no poses.
    """
    if records.state.shape[1] != 7 or records.chunk.shape[3] != 7:
        found = f"states of {records.state.shape[1]} and actions of {records.chunk.shape[3]} numbers"
        raise InvalidData(found, "7 each: poses and gripper of one arm", "Convert such data from their own dataset.")
    meaning = Meaning(
        ABSOLUTE, 7, (6,), 1, 7, records.horizon, records.instruction.shape[1], key or Path(folder).name,
        source={"kind": "records"}, sentences=records.instructions, **(ends or {}),
    )  # fmt: skip
    columns = _columns(records)
    return write_columns(folder, meaning, fps, columns, records.image, records.instructions, records.episode, quiet)


def _columns(records: Records) -> dict:
    """Return what records say, label by label, as (n, …) arrays."""
    n = len(records)
    there = np.arange(records.trace.shape[2]) < records.trace_length[..., None]
    every = {
        "chunk": records.chunk, "trace": np.where(there[..., None], records.trace.astype(np.int64), NONE),
        "trace_length": records.trace_length, "points": records.points, "far": records.far,
    }  # fmt: skip
    depth = np.full((n, DEPTH_COUNT), NONE)
    depth[records.depth_rows] = records.depth_codes
    found = {STATE: records.state, DEPTH: depth, "task_index": records.instruction[:, 0]}
    found |= {f"reasoning.{name}": values[:, 0] for name, values in every.items()}
    if records.instruction.shape[1] > 1:
        found |= {f"counterfactual.{name}": values[:, 1:] for name, values in every.items()}
        found["counterfactual.task_index"] = records.instruction[:, 1:]
    return found


def write_columns(
    folder, meaning: Meaning, fps: float, columns: dict, pictures: Iterable, tasks, episodes, quiet: bool = True
) -> Path:
    """Write a dataset of columns (n, …), `pictures` in the same order and the episode (n,) that each row is of.

    Actions, bins, statistics and LeRobot's own columns are worked out here. Nothing is left behind when it fails.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidData(f"'{folder}' is not empty", "a new folder", "Name another, or remove it.")
    starts, lengths = _episodes(np.asarray(episodes))
    columns = columns | _counters(starts, lengths, fps)
    columns[ACTION] = columns[CHUNK].reshape(len(columns[CHUNK]), meaning.horizon, meaning.action_dims)[:, 0]
    refuse_nan(columns)
    rows = demonstrated_rows(columns, meaning)
    stats = norm_stats(rows, columns[STATE], meaning, len(starts))
    meaning = meaning if meaning.dims else replace(meaning, **bin_ends(rows, meaning.grippers))
    columns[BINS] = bins_of(columns, meaning)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "meta").mkdir(parents=True)
        pieces = tqdm(zip(starts, lengths), "episodes", len(starts), disable=quiet)
        places, described, seen = _write_rows(partial, meaning, columns, iter(pictures), pieces)
        _write_meta(partial, meaning, fps, described, {**_measured(columns), CAMERA: seen.result()}, tasks, len(starts))
        write_episodes(partial / EPISODES, _episode_table(starts, lengths, places, columns, tasks, episodes))
        (partial / NORM_STATS).write_text(json.dumps(stats, indent=1) + "\n")
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def refuse_nan(columns: dict) -> None:
    """Refuse what is no number in states and actions. InvalidData names the column and the first row."""
    for name in (STATE, CHUNK, "counterfactual.chunk"):
        values = np.asarray(columns.get(name, np.zeros((0, 1))))
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(1) if len(values) else np.zeros(0, bool)
        if bad.any():
            found = f"NaN in '{name}' in {int(bad.sum())} rows, the first is row {int(np.argmax(bad))}"
            raise InvalidData(found, "numbers", "Leave those episodes out.")


def demonstrated_rows(columns: dict, meaning: Meaning) -> np.ndarray:
    """Return the action rows (m, d) that statistics are of: those of the demonstrated labels."""
    return np.asarray(columns[CHUNK]).reshape(-1, meaning.action_dims)


def bins_of(columns: dict, meaning: Meaning) -> np.ndarray:
    """Return the demonstrated chunks in bins 0..254, (n, h * number of columns that have bins)."""
    rows = demonstrated_rows(columns, meaning)[:, meaning.dims]
    return ActionCodec(meaning.q01, meaning.q99).encode(rows).reshape(len(columns[CHUNK]), -1)


def _measured(columns: dict) -> dict:
    return {name: statistics(columns[name]) for name in MEASURED}


def _episodes(episode: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each episode starts, and its length."""
    if not len(episode):
        raise InvalidData("no frames", "at least one", "Name other data.")
    starts = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1))
    again = len(starts) - len(np.unique(episode))
    if again:
        found = f"{again} episodes whose frames lie between those of others"
        raise InvalidData(found, "the frames of an episode one after the other", "Sort the records by episode.")
    return starts, np.diff(np.append(starts, len(episode)))


def _counters(starts, lengths, fps: float) -> dict:
    index = np.arange(lengths.sum())
    frame = index - np.repeat(starts, lengths)
    return {
        "timestamp": (frame / fps).astype(np.float32), "frame_index": frame, "index": index,
        "episode_index": np.repeat(np.arange(len(starts)), lengths),
    }  # fmt: skip


def _write_rows(folder, meaning: Meaning, columns: dict, pictures, pieces):
    """Write the data files; return the place of every episode, the features, and the pictures' statistics."""
    places, described, writer, seen = [], None, None, PictureStatistics()
    for start, length in pieces:
        shown = [np.asarray(next(pictures)) for _ in range(length)]
        if described is None:
            described = features(meaning, shown[0].shape)
            writer = TableWriter(folder, DATA_PATH, described)
        for number, picture in enumerate(shown):
            if list(picture.shape) != described[CAMERA]["shape"]:
                found = f"a picture of shape {picture.shape} in row {start + number}"
                raise InvalidData(found, str(tuple(described[CAMERA]["shape"])), "State image_size in the mapping.")
            seen.add(picture)
        places.append(writer.begin_episode())
        rows = {name: values[start : start + length] for name, values in columns.items()}
        writer.add(rows, [raster.encode_png(picture) for picture in shown], CAMERA)
    writer.close()
    return places, described, seen


def _write_meta(folder, meaning: Meaning, fps: float, described: dict, stats: dict, tasks, episodes: int) -> None:
    info = {
        "codebase_version": VERSION, "robot_type": "fr3", "total_episodes": episodes,
        "total_frames": stats["index"]["count"][0], "total_tasks": len(tasks), "chunks_size": 1000,
        "data_files_size_in_mb": 100, "video_files_size_in_mb": 200, "fps": int(fps) if fps == int(fps) else fps,
        "splits": {"train": f"0:{episodes}"}, "data_path": DATA_PATH, "video_path": None, "features": described,
    }  # fmt: skip
    (folder / INFO).write_text(json.dumps(info, indent=1) + "\n")
    (folder / STATS).write_text(json.dumps(stats, indent=1) + "\n")
    write_tasks(folder / TASKS, list(tasks))
    meaning.save(folder)


def _episode_table(starts, lengths, places, columns: dict, tasks, episodes) -> dict:
    task = columns["task_index"]
    zeros = [0] * len(starts)
    return {
        "episode_index": list(range(len(starts))),
        "tasks": [[tasks[i] for i in dict.fromkeys(task[s : s + n].tolist())] for s, n in zip(starts, lengths)],
        "length": lengths.tolist(),
        "data/chunk_index": [chunk for chunk, _ in places],
        "data/file_index": [file for _, file in places],
        "dataset_from_index": starts.tolist(),
        "dataset_to_index": (starts + lengths).tolist(),
        "meta/episodes/chunk_index": zeros,
        "meta/episodes/file_index": zeros,
        SOURCE_EPISODE: np.asarray(episodes)[starts].tolist(),
    }  # fmt: skip
