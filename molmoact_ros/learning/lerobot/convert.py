"""Turn somebody else's LeRobot dataset into an action-reasoning one: exact traces, chunks, bins, statistics."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...calibration.store import load
from ...errors import InvalidData
from ...perception.depth_image import inverse_depth
from ...perception.raster import decode_depth, resize
from ...places import locate
from ...reasoning.action_frame import ABSOLUTE
from ..records import DEPTH_COUNT
from . import labels
from .mapping import DEPTH_UNITS, Mapping
from .motion import Motion
from .reader import picture_bytes
from .schema import CHUNK, DEPTH, NONE, RAW, STATE, Meaning
from .source import Source, SourceEpisode
from .writer import write_columns

_NAMED = 5


def convert(source, folder, mapping: Mapping, quiet: bool = True) -> Path:
    """Convert a dataset folder, return the new one. MissingPart, ConfigError or InvalidData; nothing half-written."""
    return Conversion(Source(source, mapping.camera, mapping.fps), mapping).write(folder, quiet)


class Conversion:
    """One dataset being converted: its rows in the order of episodes and time, without the episodes left out."""

    def __init__(self, source: Source, mapping: Mapping):
        self.source, self.mapping = source, mapping
        self.left_out = faulty_episodes(source, mapping)
        self.episodes = [e for e in source.episodes if e.number not in self.left_out]
        if not self.episodes:
            raise InvalidData("no episode that is in order", "at least one", "Mend the dataset.")
        self.rows = np.concatenate([e.rows for e in self.episodes])
        self.lengths = np.array([len(e.rows) for e in self.episodes])
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.motion = Motion(source, mapping, self.rows, self.starts)
        self._refuse_nan()

    def write(self, folder, quiet: bool = True) -> Path:
        """Write the new dataset."""
        source, grippers = self.source, self.motion.check_grippers()
        source.require_whole_films()
        said = [source.task_of(int(number)) for number in source.column("task_index").ravel()[self.rows]]
        sentences = list(dict.fromkeys(said))
        numbered = {sentence: number for number, sentence in enumerate(sentences)}
        columns = {
            STATE: self.motion.states(), CHUNK: self.motion.chunks(), DEPTH: self._depth(),
            "task_index": np.array([numbered[one] for one in said]), **self._labels(),
        }  # fmt: skip
        meaning = self._meaning(columns, Path(folder).name, grippers)
        numbers = np.repeat([e.number for e in self.episodes], self.lengths)
        return write_columns(folder, meaning, source.fps, columns, self._pictures(), sentences, numbers, quiet)

    def _refuse_nan(self) -> None:
        bad = self.motion.first_nan()
        if bad is not None:
            column, row = bad
            which = int(np.searchsorted(self.starts, row, side="right")) - 1
            found = f"NaN in '{column}', episode {self.episodes[which].number}, frame {row - self.starts[which]}"
            raise InvalidData(found, "numbers", "Mend the dataset, or remove that episode from it.")

    def _pictures(self):
        size = tuple(self.mapping.image_size)
        for episode in self.episodes:
            for picture in self.source.pictures(episode):
                yield resize(picture, size) if size else picture

    def _labels(self) -> dict:
        """Return traces and keypoints (n, tips, …)."""
        told = self.motion.commanded() > 0.5
        found = {name: [] for name in ("trace", "trace_length", "points", "far")}
        for arm in range(max(self.mapping.arms, 1)):
            track, tips = self._track(arm), self.motion.positions(arm) if self.mapping.arms else None
            opened = told[:, arm] if arm < told.shape[1] else np.ones(len(told), bool)
            parts = []
            for start, length in zip(self.starts, self.lengths):
                here = slice(start, start + length)
                points, far = labels.keypoints(track[here], None if tips is None else tips[here], opened[here])
                parts.append((*labels.traces(track[here]), points, far))
            for name, values in zip(found, zip(*parts)):
                found[name].append(np.concatenate(values))
        return {f"reasoning.{name}": np.stack(values, axis=1) for name, values in found.items()}

    def _track(self, arm: int) -> np.ndarray:
        """Return where a tip is in the pictures (n, 2), 0..1 of width and height; NaN where it is not known."""
        mapping, size = self.mapping, self.source.picture_size
        if mapping.calibration:
            camera = load(mapping.calibration).fixed_camera(mapping.calibration_camera)
            return labels.projected(self.motion.positions(arm), camera, size, f"the tip of arm {arm + 1}")
        if not mapping.trace:
            return np.full((len(self.rows), 2), np.nan)
        given = self.source.column(mapping.trace)
        if given.shape[1] < 2 * (arm + 1):
            found = f"{given.shape[1]} numbers in '{mapping.trace}'"
            raise InvalidData(found, f"u and v of {max(mapping.arms, 1)} tip(s)", "Name another column of traces.")
        points = given[self.rows, 2 * arm : 2 * arm + 2]
        return labels.stored(points, mapping.trace_unit, size, f"'{mapping.trace}'")

    def _depth(self) -> np.ndarray:
        """Return depth tokens (n, 100), -1 where there are none."""
        mapping, codes = self.mapping, np.full((len(self.rows), DEPTH_COUNT), NONE)
        if not mapping.depth:
            return codes
        if mapping.depth not in self.source.described:
            expected = f"one of {', '.join(self.source.described)}"
            raise InvalidData(f"no column '{mapping.depth}'", expected, "Correct 'depth' in the mapping.")
        from ...runtime.depth_factory import open_depth_coder

        coder = open_depth_coder(locate(mapping.depth_model, "depth model", "Correct depth_model in the mapping."))
        for place in range(0, len(self.rows), mapping.depth_every):
            picture = inverse_depth(self._depth_picture(int(self.rows[place])) * DEPTH_UNITS[mapping.depth_unit])
            if picture is not None:
                codes[place] = np.ravel(coder.encode(picture.image))
        return codes

    def _depth_picture(self, row: int) -> np.ndarray:
        """Return the depth (h, w) float32 of a row, in the column's own unit: numbers, or a PNG of 16 bits."""
        name = self.mapping.depth
        cell = self.source.cell(name, row)
        depth = decode_depth(picture_bytes(cell, self.source.folder)) if isinstance(cell, dict) else np.array(cell)
        if depth is None or depth.squeeze().ndim != 2:
            found = f"no depth in row {row} of '{name}'"
            raise InvalidData(found, "numbers, or a PNG of one channel of 16 bits", "Leave 'depth' out of the mapping.")
        return depth.squeeze().astype(np.float32)

    def _meaning(self, columns: dict, key: str, grippers: list[dict]) -> Meaning:
        mapping, raw = self.mapping, self.mapping.action_frame == RAW
        trace = "calibration" if mapping.calibration else "column" if mapping.trace else "none"
        origin = {
            "kind": "LeRobot " + self.source.version, "fps_in_info": self.source.info.get("fps"),
            "gripper_check": grippers, "mapping": asdict(mapping),
            "episodes_left_out": {str(number): fault for number, fault in self.left_out.items()},
        }  # fmt: skip
        return Meaning(
            RAW if raw else ABSOLUTE, columns[CHUNK].shape[2],
            tuple(mapping.action_gripper) if raw else tuple(range(6, 7 * mapping.arms, 7)), mapping.arms,
            columns[STATE].shape[1], mapping.horizon, 1, key, trace, mapping.gripper_max_width_m, origin,
        )  # fmt: skip


def faulty_episodes(source: Source, mapping: Mapping) -> dict[int, str]:
    """Return episode -> what is out of order in it. InvalidData, unless the mapping says to leave such episodes out."""
    motion = Motion(source, mapping)
    ways = [motion.positions(arm) for arm in range(mapping.arms)]
    found = {episode.number: _fault(episode, ways, source.fps) for episode in source.episodes}
    found = {number: fault for number, fault in found.items() if fault}
    if found and not mapping.skip_faulty_episodes:
        named = "; ".join(f"episode {number}: {fault}" for number, fault in list(found.items())[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        text = f"{len(found)} of {len(source.episodes)} episodes out of order ({named}{more})"
        do = "Mend them, or state skip_faulty_episodes: true in the mapping."
        raise InvalidData(text, "frames in the order of time", do)
    return found


def _fault(episode: SourceEpisode, ways: list[np.ndarray], fps: float) -> str:
    return next(filter(None, [episode.fault, *(labels.order_fault(way[episode.rows], fps) for way in ways)]), "")
