"""Is a dataset what it says? Every fault is one line with a name; nothing is repaired silently."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import InvalidData, MissingPart, MolmoActError
from ...reasoning.action_frame import ABSOLUTE
from ...types import MAX_TRACE_POINTS
from .gripper import require_agreement
from .reader import decoded
from .schema import (
    ACTION, BINS, CAMERA, CHUNK, DEPTH, EPISODES, INFO, MEANING, NORM_STATS, STATE, STATS, TASKS, VERSION, Meaning,
    features, read_json,
)  # fmt: skip
from .statistics import PictureStatistics, norm_stats, statistics
from .tables import data_files, names_of, numbers, picture_cells, rows, texts
from .writer import MEASURED, bins_of, demonstrated_rows, refuse_nan

_ANEW = "Make the dataset anew."
_CLOSE = 1e-6


def check(folder) -> list[tuple[str, str]]:
    """Return (name of the check, "" or what is wrong) for an action-reasoning dataset."""
    try:
        info = read_json(folder, INFO, "Name the folder that holds meta/ and data/.")
        opened = _Opened(Path(folder), info, Meaning.load(folder))
        _files(opened)
    except MolmoActError as error:
        return [("files", str(error))]
    checks = {
        "order": _order, "numbers": _numbers, "tasks": _tasks, "traces": _traces, "depth": _depth,
        "gripper": _gripper, "bins": _bins, "statistics": _statistics, "pictures": _pictures,
    }  # fmt: skip
    columns = _said(_columns, opened)
    rest = [] if columns else [(name, _said(one, opened)) for name, one in checks.items()]
    return [("files", ""), ("columns", columns), *rest]


@dataclass
class _Opened:
    """A dataset's files; columns are read when they are asked for."""

    folder: Path
    info: dict
    meaning: Meaning

    @cached_property
    def files(self) -> list[Path]:
        return data_files(self.folder)

    @cached_property
    def columns(self) -> dict:
        names = [n for n, f in self.info["features"].items() if f["dtype"] != "image"]
        return {name: numbers(self.files, name) for name in names}

    def rows_of(self, name: str) -> np.ndarray:
        """Return a column as (n, …) per label, arm and so on, flattened to (n, m)."""
        return self.columns[name].reshape(len(self.columns[name]), -1)


def _said(one, opened: _Opened) -> str:
    try:
        one(opened)
    except MolmoActError as error:
        return str(error)
    except KeyError as error:
        return f"no column {error}; expected those that {INFO} of this format names. {_ANEW}"
    return ""


def _files(opened: _Opened) -> None:
    if opened.info.get("codebase_version") != VERSION:
        raise InvalidData(f"LeRobot format {opened.info.get('codebase_version')}", VERSION, _ANEW)
    for name in (TASKS, EPISODES, STATS, NORM_STATS):
        if not (opened.folder / name).is_file():
            raise MissingPart(f"no '{opened.folder / name}'", "all files of a dataset", _ANEW)
    _ = opened.files


def _columns(opened: _Opened) -> None:
    there, said = names_of(opened.folder), opened.info["features"]
    if CAMERA not in there or CAMERA not in said:
        cameras = ", ".join(n for n, f in said.items() if f["dtype"] in ("image", "video") and n in there) or "none"
        raise InvalidData(f"no camera '{CAMERA}', cameras: {cameras}", "the pictures that traces belong to", _ANEW)
    for name, feature in features(opened.meaning, said[CAMERA]["shape"]).items():
        if name not in there or name not in said:
            raise InvalidData(f"no column '{name}'", f"all columns of format {opened.meaning.format}", _ANEW)
        size = opened.rows_of(name).shape[1] if name != CAMERA else 0
        if list(said[name]["shape"]) != feature["shape"] or size not in (0, feature["shape"][0]):
            found = f"'{name}' with {size or said[name]['shape']} numbers per row, {said[name]['shape']} in {INFO}"
            raise InvalidData(found, f"{feature['shape']}, by what {INFO.replace('info', 'molmoact')} states", _ANEW)


def _order(opened: _Opened) -> None:
    index, episode, frame = (opened.columns[n] for n in ("index", "episode_index", "frame_index"))
    table = rows([opened.folder / EPISODES], ["episode_index", "length", "dataset_from_index", "dataset_to_index"])
    length = np.array([row["length"] for row in table])
    starts = np.cumsum(length) - length
    if length.sum() != len(index) or opened.info["total_frames"] != len(index):
        found = f"{len(index)} rows, {length.sum()} in {EPISODES}, {opened.info['total_frames']} in {INFO}"
        raise InvalidData(found, "as many", _ANEW)
    wanted = {"index": np.arange(len(index)), "episode_index": np.repeat(np.arange(len(length)), length)}
    wanted["frame_index"] = wanted["index"] - np.repeat(starts, length)
    for name, right in wanted.items():
        if not np.array_equal(opened.columns[name], right):
            row = int(np.argmax(opened.columns[name] != right))
            found = f"{name} {opened.columns[name][row]} in row {row} (episode {episode[row]})"
            raise InvalidData(found, f"{right[row]}: episodes one after the other, frames in the order of time", _ANEW)
    late = np.abs(opened.columns["timestamp"] * float(opened.info["fps"]) - frame)
    if late.max() > 0.01 * max(frame.max(), 1):
        found = f"timestamp {opened.columns['timestamp'][late.argmax()]:.4g} s of frame {frame[late.argmax()]}"
        raise InvalidData(found, f"frames at {opened.info['fps']} Hz, as {INFO} says", _ANEW)


def _numbers(opened: _Opened) -> None:
    refuse_nan(opened.columns)
    first = opened.rows_of(CHUNK)[:, : opened.meaning.action_dims]
    if not np.array_equal(first, opened.rows_of(ACTION)):
        row = int(np.argmax((first != opened.rows_of(ACTION)).any(1)))
        raise InvalidData(f"'{ACTION}' in row {row} that is not the first row of '{CHUNK}'", "the same numbers", _ANEW)


def _tasks(opened: _Opened) -> None:
    known = {
        "task_index": (set(texts(opened.folder / TASKS)), TASKS),
        "counterfactual.task_index": (set(range(len(opened.meaning.sentences))), MEANING),
    }
    for name in known.keys() & opened.columns.keys():
        unknown = set(opened.rows_of(name).ravel().tolist()) - known[name][0]
        if unknown:
            found, expected = f"{name} {min(unknown)}", f"one of the {len(known[name][0])} in {known[name][1]}"
            raise InvalidData(found, expected, _ANEW)


def _traces(opened: _Opened) -> None:
    for name in [n for n in opened.columns if n.endswith(".trace")]:
        trace, length = opened.rows_of(name), opened.rows_of(name + "_length")
        if trace.min() < -1 or trace.max() > 255:
            found = f"'{name}' from {trace.min()} to {trace.max()}"
            raise InvalidData(found, "0..255 of width and height, -1 = no point", "Scale pixels, then make it anew.")
        counted = (trace.reshape(*length.shape, MAX_TRACE_POINTS, 2) >= 0).all(-1).sum(-1)
        if not np.array_equal(counted, np.maximum(length, 0)):
            row = int(np.argmax((counted != np.maximum(length, 0)).any(1)))
            found = f"{counted[row].tolist()} points in row {row} of '{name}', {length[row].tolist()} by its length"
            raise InvalidData(found, "as many", _ANEW)


def _depth(opened: _Opened) -> None:
    codes = opened.rows_of(DEPTH)
    known = (codes >= 0).all(1)
    if codes.min() < -1 or codes.max() > 255 or not (codes[~known] == -1).all():
        raise InvalidData(f"depth codes from {codes.min()} to {codes.max()}", "0..127, or -1 throughout a row", _ANEW)


def _gripper(opened: _Opened) -> None:
    meaning, action = opened.meaning, opened.rows_of(ACTION)
    starts = np.flatnonzero(opened.columns["frame_index"] == 0)
    for entry in meaning.grippers:
        said = action[:, entry]
        if said.min() < 0 or said.max() > 1:
            found = f"gripper (entry {entry} of '{ACTION}') from {said.min():.3g} to {said.max():.3g}"
            raise InvalidData(found, "0..1, 1 = open", "Convert it with the right gripper_convention.")
        if meaning.action_frame == ABSOLUTE:
            measured = opened.rows_of(STATE)[:, entry]
            do = "Convert it with the right gripper_convention."
            require_agreement(said, measured, starts, f"gripper: {meaning.gripper}", do)


def _bins(opened: _Opened) -> None:
    wanted = bins_of(opened.columns, opened.meaning)
    off = wanted != opened.rows_of(BINS)
    if off.any():
        found = f"{int(off.any(1).sum())} rows of '{BINS}' that are not those of '{CHUNK}'"
        raise InvalidData(found, "bins between the stated q01 and q99", _ANEW)


def _statistics(opened: _Opened) -> None:
    meaning = opened.meaning
    stored, norms = (read_json(opened.folder, name, _ANEW) for name in (STATS, NORM_STATS))
    for name in MEASURED:
        _same(stored.get(name, {}), statistics(opened.columns[name]), f"'{name}' in {STATS}")
    episodes = int(opened.columns["episode_index"].max()) + 1
    now = norm_stats(demonstrated_rows(opened.columns, meaning), opened.rows_of(STATE), meaning, episodes)[meaning.key]
    for part in ("action", "proprio"):
        _same(norms.get(meaning.key, {}).get(part, {}), now[part], f"{part} of '{meaning.key}' in {NORM_STATS}")


def _same(stored: dict, now: dict, what: str) -> None:
    for key, right in now.items():
        right, there = np.asarray(right, float), np.asarray(stored.get(key, []), float)
        if right.shape != there.shape:
            found = f"{key} of {what} with {there.size} numbers"
            raise InvalidData(found, f"{right.size}, one for every dimension", _ANEW)
        if not np.allclose(there, right, rtol=_CLOSE, atol=_CLOSE):
            place = int(np.argmax(np.abs(there - right).ravel()))
            found = f"{key} of {what} is {there.ravel()[place]:.6g} for dimension {place}"
            raise InvalidData(found, f"{right.ravel()[place]:.6g}, as the data say", _ANEW)


def _pictures(opened: _Opened) -> None:
    seen, row, size = PictureStatistics(), 0, opened.info["features"][CAMERA]["shape"]
    for file in opened.files:
        for cell in picture_cells(file, CAMERA):
            picture = decoded(cell, f"row {row} of '{CAMERA}'")
            if list(picture.shape) != list(size):
                raise InvalidData(f"a picture of {picture.shape} in row {row}", f"{tuple(size)}, as {INFO} says", _ANEW)
            seen.add(picture)
            row += 1
    _same(read_json(opened.folder, STATS, _ANEW).get(CAMERA, {}), seen.result(), f"'{CAMERA}' in {STATS}")


def summary(folder) -> dict:
    """Return what a dataset holds, for people: counts, rate, meaning, ranges of the actions, what to know about it."""
    info, meaning = read_json(folder, INFO, "Name the folder that holds meta/ and data/."), Meaning.load(folder)
    names = info["features"][ACTION]["names"]
    notes = [f"gripper {i + 1}: {said['verdict']}" for i, said in enumerate(meaning.source.get("gripper_check", []))]
    notes += [f"episode {n} left out: {fault}" for n, fault in meaning.source.get("episodes_left_out", {}).items()]
    return {
        "format": info["codebase_version"], "episodes": info["total_episodes"], "frames": info["total_frames"],
        "tasks": info["total_tasks"], "fps": info["fps"],
        "picture": "{1} x {0}".format(*info["features"][CAMERA]["shape"]), "actions": meaning.action_frame,
        "dimensions": meaning.action_dims, "horizon": meaning.horizon, "arms": meaning.arms, "gripper": meaning.gripper,
        "labels": meaning.labels, "traces": meaning.trace, "key": meaning.key, "notes": notes,
        "bins": {names[i]: [low, high] for i, low, high in zip(meaning.dims, meaning.q01, meaning.q99)},
    }  # fmt: skip
