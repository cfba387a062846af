"""Read an action-reasoning dataset back as records: the inverse of the writer, bit by bit."""

from pathlib import Path

import numpy as np

from ...errors import InvalidData
from ...perception import raster
from ..records import Records
from .schema import CAMERA, DEPTH, INFO, SOURCE_EPISODE, STATE, TASKS, Meaning, labelled, read_json
from .tables import data_files, names_of, numbers, picture_cells, row_count, rows, texts


def described(folder) -> tuple[Meaning, float, str]:
    """Return what a dataset's numbers mean, its rows per second, and the short name of its camera."""
    meaning = Meaning.load(folder)
    info = read_json(folder, INFO, "Fetch the dataset again.")
    return meaning, float(info["fps"]), meaning.camera.rpartition(".")[2]


def read_dataset(folder) -> Records:
    """Return the records of a dataset of one arm. MissingPart or InvalidData."""
    folder, meaning = Path(folder), Meaning.load(folder)
    if meaning.arms > 1:
        found = f"a dataset of {meaning.arms} arms in '{folder}'"
        raise InvalidData(found, "one: records hold one trace per picture", "Convert one arm of its source at a time.")
    files = data_files(folder)
    # All but the chunk is per tip, and there is one.
    shapes = {name: shape if name == "chunk" else shape[1:] for name, (_, shape) in labelled(meaning).items()}
    parts = {name: _label(files, name, shape, meaning) for name, shape in shapes.items()}
    task, sentences = _tasks(folder, files, meaning)
    depth = numbers(files, DEPTH)
    known = np.flatnonzero((depth >= 0).all(1))
    return Records(
        image=_pictures(files), state=numbers(files, STATE), instruction=task, trace=_points(parts["trace"]),
        trace_length=parts["trace_length"], chunk=parts["chunk"], points=parts["points"], far=parts["far"].astype(bool),
        episode=_episodes(folder, numbers(files, "episode_index")), depth_codes=depth[known].astype(np.uint8),
        depth_rows=known, instructions=sentences,
    )  # fmt: skip


def _tasks(folder, files, meaning: Meaning) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the sentence of every label (n, l), and the sentences."""
    table, index = texts(folder / TASKS), numbers(files, "task_index")
    sentences = tuple(meaning.sentences or (table[i] for i in sorted(table)))
    place = {sentence: number for number, sentence in enumerate(sentences)}
    unknown = [i for i in np.unique(index).tolist() if table.get(i) not in place]
    if unknown:
        raise InvalidData(f"task_index {unknown[0]}", f"one of the sentences of '{folder}'", "Make it anew.")
    task = np.array([place[table[i]] for i in index.tolist()]).reshape(-1, 1)
    if meaning.labels > 1:
        task = np.hstack([task, numbers(files, "counterfactual.task_index").reshape(len(task), -1)])
    return task, sentences


def _episodes(folder, index: np.ndarray) -> np.ndarray:
    """Return each row's episode as its source counted it; LeRobot's tools leave that column out."""
    files = data_files(folder, "meta/episodes")
    if SOURCE_EPISODE not in names_of(folder, "meta/episodes"):
        return index
    return np.array([row[SOURCE_EPISODE] for row in rows(files, [SOURCE_EPISODE])])[index]


def _points(trace: np.ndarray) -> np.ndarray:
    return np.where(trace < 0, 0, trace).astype(np.uint8)


def _label(files, name: str, shape: tuple, meaning: Meaning) -> np.ndarray:
    """Return (n, l, *shape): the demonstrated label first, the others after it."""
    first = numbers(files, f"reasoning.{name}")
    found = first.reshape(len(first), 1, *shape)
    if meaning.labels > 1:
        others = numbers(files, f"counterfactual.{name}").reshape(len(first), meaning.labels - 1, *shape)
        found = np.concatenate([found, others], axis=1)
    return found


def _pictures(files) -> np.ndarray:
    """Return all pictures (n, h, w, 3) uint8 RGB."""
    found, count = None, sum(map(row_count, files))
    row = 0
    for file in files:
        for cell in picture_cells(file, CAMERA):
            picture = decoded(cell, f"row {row} of '{CAMERA}'")
            found = np.empty((count, *picture.shape), np.uint8) if found is None else found
            if picture.shape != found.shape[1:]:
                raise InvalidData(f"a picture of {picture.shape} in row {row}", str(found.shape[1:]), "Make it again.")
            found[row], row = picture, row + 1
    return found


def decoded(cell, where: str, folder=None) -> np.ndarray:
    """Return the picture (h, w, 3) uint8 RGB of a cell of an image column: bytes, or a path below `folder`.

    InvalidData, with `where`, when there is none.
    """
    picture = raster.decode(picture_bytes(cell, folder))
    if picture is None:
        raise InvalidData(f"no picture in {where}", "PNG or JPEG", "Fetch the dataset again.")
    return picture


def picture_bytes(cell, folder=None) -> bytes:
    """Return the encoded picture of a cell; b"" when there is none."""
    data, path = (cell.get(k) if isinstance(cell, dict) else None for k in ("bytes", "path"))
    if not data and path and folder and (Path(folder) / path).is_file():
        data = (Path(folder) / path).read_bytes()
    return data or b""
