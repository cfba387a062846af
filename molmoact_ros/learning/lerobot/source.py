"""Read somebody else's LeRobot dataset (v2.x or v3.0): its columns in the order of time, its pictures, its faults."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from ...errors import InvalidData, MissingPart
from ...perception.film import Film
from .reader import decoded
from .schema import INFO, TASKS, read_json
from .tables import data_files, numbers, picture_cells, row_count, rows, texts

# LeRobot writes timestamps as float32 seconds.
_RATE_TOLERANCE = 0.05
_AGAIN = "Fetch the dataset again."
_FILM_AGAIN = "Fetch the video again, or remove that episode."


@dataclass(frozen=True)
class SourceEpisode:
    """The rows (n,) of one episode in the order of its frames, counted over all files; what is out of order in it."""

    number: int
    rows: np.ndarray
    fault: str


class Source:
    """A dataset folder: numbers of all its rows, pictures of one camera.

    fps [Hz]: what counts, `fps_stated` where it is given; InvalidData when the timestamps agree with neither.
    """

    def __init__(self, folder, camera: str, fps_stated: float = 0.0):
        self.folder, self.camera = Path(folder), camera
        self.info = read_json(folder, INFO, "Name the folder that holds meta/ and data/.")
        self.version = str(self.info.get("codebase_version", "?"))
        if not self.version.startswith(("v2.", "v3.")):
            raise InvalidData(f"LeRobot format {self.version}", "v2.x or v3.x", "Convert it with LeRobot's own tool.")
        self.described = self.info.get("features", {})
        self._require_camera()
        self.files = data_files(folder)
        self._row_ends = np.cumsum([row_count(file) for file in self.files])
        self.fps = self._rate(fps_stated)
        self.tasks = self._tasks()
        self.episodes = self._episodes()
        self._last_film: tuple = (None, None)
        self._cells: tuple = (None, [])

    def column(self, name: str) -> np.ndarray:
        """Return a column (rows, d) as it lies in the files. InvalidData when there is none."""
        if name not in self.described:
            numeric = [n for n, f in self.described.items() if f["dtype"] not in ("image", "video")]
            raise InvalidData(f"no column '{name}'", f"one of {', '.join(numeric)}", "Correct the mapping.")
        return numbers(self.files, name).astype(float).reshape(int(self._row_ends[-1]), -1)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Return width and height of the pictures [px], as meta/info.json says."""
        feature = self.described[self.camera]
        names, shape = feature.get("names") or [], feature["shape"]
        height, width = shape[1:3] if str(names[:1]).startswith("['channel") else shape[:2]
        return int(width), int(height)

    def _require_camera(self) -> None:
        cameras = [name for name, f in self.described.items() if f.get("dtype") in ("image", "video")]
        if self.camera not in cameras:
            expected = f"one of {', '.join(cameras)}" if cameras else "a dataset with pictures"
            raise InvalidData(f"no camera '{self.camera}' in '{self.folder}'", expected, "Name another camera.")

    def _rate(self, stated: float) -> float:
        said = float(self.info.get("fps", 0))
        stamps, episode = self.column("timestamp").ravel(), self.column("episode_index").ravel()
        inside = np.diff(episode) == 0
        steps = np.diff(stamps)[inside & (np.diff(self.column("frame_index").ravel()) == 1)]
        measured = 1 / np.median(steps) if len(steps) and np.median(steps) > 0 else said
        if not any(rate > 0 and abs(measured / rate - 1) < _RATE_TOLERANCE for rate in (said, stated)):
            found = f"{measured:.3g} frames per second by the timestamps, {said:g} by {INFO}"
            expected = "one rate" if not stated else f"one of them to be the stated {stated:g}"
            raise InvalidData(found, expected, "State the true one in the mapping, as in fps: 15")
        return stated or said

    def _tasks(self) -> dict[int, str]:
        lines = self.folder / "meta/tasks.jsonl"
        if not lines.is_file():
            return texts(self.folder / TASKS)
        try:
            found = [json.loads(line) for line in lines.read_text().splitlines() if line.strip()]
            return {int(row["task_index"]): str(row["task"]) for row in found}
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidData(f"'{lines}' cannot be read ({error})", "task_index and task", _AGAIN) from None

    def _episodes(self) -> list[SourceEpisode]:
        episode, frame = (self.column(n).ravel().astype(int) for n in ("episode_index", "frame_index"))
        stamps = self.column("timestamp").ravel()
        order = np.lexsort((frame, episode))
        cuts = np.flatnonzero(np.diff(episode[order])) + 1
        found = []
        for part in np.split(order, cuts):
            fault = ""
            if not np.array_equal(frame[part], np.arange(len(part))):
                fault = f"frames {frame[part][0]}..{frame[part][-1]} for {len(part)} rows"
            elif np.any(np.diff(stamps[part]) <= 0):
                fault = f"time runs backwards after frame {int(np.argmax(np.diff(stamps[part]) <= 0))}"
            found.append(SourceEpisode(int(episode[part[0]]), part, fault))
        return found

    def task_of(self, number: int) -> str:
        """Return the sentence of a task index. InvalidData for an unknown one."""
        if number not in self.tasks:
            raise InvalidData(f"task_index {number}", f"one of the {len(self.tasks)} tasks of the dataset", _AGAIN)
        return self.tasks[number]

    def cell(self, name: str, row: int):
        """Return the cell of one row of a column; cells are read file by file."""
        number = int(np.searchsorted(self._row_ends, row, side="right"))
        if self._cells[0] != (number, name):
            self._cells = ((number, name), picture_cells(self.files[number], name))
        return self._cells[1][row - (int(self._row_ends[number - 1]) if number else 0)]

    def pictures(self, episode: SourceEpisode) -> Iterator[np.ndarray]:
        """Yield the pictures (h, w, 3) uint8 RGB of an episode. MissingPart or InvalidData where one is missing."""
        if self.described[self.camera]["dtype"] == "image":
            for row in episode.rows:
                yield decoded(self.cell(self.camera, row), f"row {row} of '{self.camera}'", self.folder)
            return
        path, first = self._film(episode)
        film = self._opened(path)
        film.go_to(first)
        for row in range(len(episode.rows)):
            picture = film.next() if film.position == first + row else None
            if picture is None:
                found = f"{row} of {len(episode.rows)} pictures of episode {episode.number} in '{path.name}'"
                raise InvalidData(found, "one picture for every row", _FILM_AGAIN)
            yield picture

    def _opened(self, path: Path) -> Film:
        """Return a film; the last one stays open, since episodes lie in it one after the other."""
        if not path.is_file():
            raise MissingPart(f"no video '{path}'", "the pictures of this camera", _AGAIN)
        if self._last_film[0] != path:
            self._last_film = (path, Film(path))
        return self._last_film[1]

    def _film(self, episode: SourceEpisode) -> tuple[Path, int]:
        """Return the video file of an episode, and the number of its first picture there."""
        template = str(self.info.get("video_path"))
        if self.version.startswith("v2."):
            chunk = episode.number // int(self.info.get("chunks_size", 1000))
            names = {"episode_chunk": chunk, "video_key": self.camera, "episode_index": episode.number}
            return self.folder / template.format(**names), 0
        place = self._places().get(episode.number)
        if place is None:
            raise MissingPart(f"no video of episode {episode.number}", "a row in meta/episodes", _AGAIN)
        names = {"video_key": self.camera, "chunk_index": place[0], "file_index": place[1]}
        return self.folder / template.format(**names), round(place[2] * float(self.info["fps"]))

    def _places(self) -> dict:
        if not hasattr(self, "_placed"):
            names = [f"videos/{self.camera}/{k}" for k in ("chunk_index", "file_index", "from_timestamp")]
            found = rows(data_files(self.folder, "meta/episodes"), ["episode_index", *names])
            self._placed = {row["episode_index"]: [row[name] for name in names] for row in found}
        return self._placed

    def require_whole_films(self) -> None:
        """Refuse videos whose number of pictures is not that of their episodes' rows. InvalidData, MissingPart."""
        if self.described[self.camera]["dtype"] != "video":
            return
        counts: dict[Path, int] = {}
        for episode in self.episodes:
            path, first = self._film(episode)
            counts[path] = max(counts.get(path, 0), first + len(episode.rows))
        for path, wanted in counts.items():
            there = self._opened(path).count()
            if there != wanted:
                found = f"{there} pictures in '{path.name}' for {wanted} rows of its episodes"
                raise InvalidData(found, "one picture for every row", _FILM_AGAIN)
