"""Read somebody else's LeRobot dataset (v2.1 or v3.0), episode by episode, with its faults named."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from ...errors import InvalidData, MissingPart, missing_package
from ...perception import raster
from .mapping import Mapping
from .reader import column, data_files, pictures, tasks_of
from .schema import INFO, read_json

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as error:
    raise missing_package("pyarrow", "learning") from error

# Published datasets said 10 pictures per second where there were 15 or 20.
_RATE_TOLERANCE = 0.1


@dataclass(frozen=True)
class SourceEpisode:
    """One episode as it was recorded: pictures (n, h, w, 3), state (n, s), action (n, d), task, tracks or None."""

    index: int
    pictures: np.ndarray
    state: np.ndarray
    action: np.ndarray
    task: str
    track: np.ndarray | None
    depth_mm: np.ndarray | None


class Source:
    """A dataset folder and how its columns are to be read."""

    def __init__(self, folder, mapping: Mapping):
        self.folder, self.mapping = Path(folder), mapping
        self.info = read_json(folder, INFO, "Name the folder that holds meta/ and data/.")
        self.version = str(self.info.get("codebase_version", "?"))
        if self.version not in ("v2.0", "v2.1", "v3.0"):
            raise InvalidData(f"LeRobot format {self.version}", "v2.1 or v3.0", "Convert it with LeRobot's own tool.")
        self._require_columns()
        self.tasks = self._tasks()

    def _require_columns(self) -> None:
        described = self.info.get("features", {})
        cameras = [n for n, f in described.items() if f.get("dtype") in ("image", "video")]
        if self.mapping.camera not in cameras:
            found = f"no camera '{self.mapping.camera}' in '{self.folder}'"
            raise InvalidData(found, f"one of {', '.join(cameras) or 'none'}", "Correct the mapping.")
        for name in (self.mapping.state, self.mapping.action, self.mapping.trace, self.mapping.depth):
            if name and name not in described:
                raise InvalidData(f"no column '{name}'", f"one of {', '.join(described)}", "Correct the mapping.")
        mapping = self.mapping
        used = {
            mapping.state: (*mapping.position, *mapping.rotation, mapping.opening),
            mapping.action: (mapping.action_gripper,),
        }
        for name, entries in used.items():
            size = int(np.prod(described[name]["shape"]))
            if max(entries) >= size:
                found = f"entry {max(entries)} of '{name}', which has {size} dimensions"
                raise InvalidData(found, f"0..{size - 1}", "Correct the mapping.")

    def _tasks(self) -> list[str]:
        lines = self.folder / "meta/tasks.jsonl"
        if not lines.is_file():
            return tasks_of(self.folder)
        rows = [json.loads(line) for line in lines.read_text().splitlines() if line.strip()]
        return [row["task"] for row in sorted(rows, key=lambda row: row["task_index"])]

    def episodes(self) -> Iterator[SourceEpisode]:
        """Yield the episodes in order. InvalidData for NaN, mixed-up frames, a wrong rate or missing pictures."""
        for file in data_files(self.folder):
            table = pq.read_table(file)
            for index in pc.unique(table["episode_index"]).to_pylist():
                rows = np.flatnonzero(column(table, "episode_index") == index)
                if np.any(np.diff(rows) != 1):
                    found = f"frames of episode {index} between those of others"
                    raise InvalidData(found, "one after the other", "Sort them.")
                yield self._episode(index, table.take(pa.array(rows)))

    def _episode(self, index: int, table) -> SourceEpisode:
        mapping = self.mapping
        state, action = column(table, mapping.state).astype(float), column(table, mapping.action).astype(float)
        for name, values in ((mapping.state, state), (mapping.action, action)):
            bad = ~np.isfinite(values)
            if bad.any():
                row = int(np.argwhere(bad)[0, 0])
                found = f"NaN in '{name}', episode {index}, frame {row}"
                raise InvalidData(found, "numbers", "Leave that episode out.")
        self._check_time(index, table)
        shape = (table.num_rows, -1)
        track = column(table, mapping.trace).astype(float).reshape(table.num_rows, -1)[:, :2] if mapping.trace else None
        task = self.tasks[int(column(table, "task_index").ravel()[0])]
        depth = column(table, mapping.depth) if mapping.depth else None
        return SourceEpisode(
            index, self._pictures(index, table), state.reshape(shape), action.reshape(shape), task, track, depth
        )

    def _check_time(self, index: int, table) -> None:
        stamps, fps = column(table, "timestamp").astype(float).ravel(), float(self.info["fps"])
        steps = np.diff(stamps)
        if len(steps) and steps.min() <= 0:
            raise InvalidData(f"time runs backwards in episode {index}", "rising timestamps", "Sort the frames.")
        if len(steps) and abs(np.median(steps) * fps - 1) > _RATE_TOLERANCE:
            found = f"{1 / np.median(steps):.1f} frames per second in episode {index}, {fps:g} in {INFO}"
            raise InvalidData(found, "the same", f"Correct 'fps' in {INFO}: chunks are rows in time.")

    def _pictures(self, index: int, table) -> np.ndarray:
        name = self.mapping.camera
        if self.info["features"][name]["dtype"] == "image":
            return pictures(table, name)
        return self._video(index, table)

    def _video(self, index: int, table) -> np.ndarray:
        """Decode an episode's part of a video file."""
        path, start_s = self._video_place(index)
        if not path.is_file():
            raise MissingPart(f"no '{path}'", "the video of this camera", "Fetch the dataset again.")
        found = raster.read_video(path, round(start_s * float(self.info["fps"])), table.num_rows)
        if len(found) != table.num_rows:
            found_text = f"{len(found)} pictures for {table.num_rows} frames of episode {index} in '{path.name}'"
            raise InvalidData(found_text, "one for each", "Fetch the video again, or leave that episode out.")
        return np.stack(found)

    def _video_place(self, index: int) -> tuple[Path, float]:
        name, template = self.mapping.camera, self.info["video_path"]
        if self.version != "v3.0":
            chunk = index // int(self.info.get("chunks_size", 1000))
            return self.folder / template.format(episode_chunk=chunk, video_key=name, episode_index=index), 0.0
        table = pa.concat_tables([pq.read_table(f) for f in sorted(self.folder.glob("meta/episodes/*/*.parquet"))])
        row = column(table, "episode_index").tolist().index(index)
        place = {k: table[f"videos/{name}/{k}"][row].as_py() for k in ("chunk_index", "file_index", "from_timestamp")}
        file = template.format(video_key=name, chunk_index=place["chunk_index"], file_index=place["file_index"])
        return self.folder / file, float(place["from_timestamp"])
