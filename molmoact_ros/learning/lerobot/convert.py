"""Turn somebody else's LeRobot dataset into an action-reasoning one: exact traces, chunks, bins, statistics."""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...calibration.store import load
from ...errors import InvalidData
from ...geometry import project
from ...perception.depth_image import inverse_depth
from ...perception.raster import resize
from ...places import data_root
from ...reasoning.action_codec import ActionCodec
from ...runtime.depth_factory import open_depth_coder
from ...types import MAX_TRACE_POINTS, TRACE_RANGE
from ..dataset import DEPTH_MODEL
from ..records import DEPTH_COUNT, Records
from .mapping import Mapping
from .schema import Meaning
from .source import Source, SourceEpisode
from .statistics import norm_stats, statistics
from .writer import write_dataset

# Below this the gripper of the actions and the measured opening say opposite things.
_CONTRADICTION = -0.2
_LOOK_AHEAD = 3
_CLOSED = 0.5


def convert(source, folder, mapping: Mapping, quiet: bool = True) -> Path:
    """Convert a dataset folder, return the new one. MissingPart, ConfigError or InvalidData; nothing half-written."""
    opened = Source(source, mapping)
    camera = _Camera(mapping)
    episodes = list(tqdm(opened.episodes(), "episodes", disable=quiet))
    if not episodes:
        raise InvalidData(f"no episode in '{source}'", "at least one", "Fetch the dataset again.")
    check_gripper(episodes, mapping)
    instructions = list(dict.fromkeys(e.task for e in episodes))
    parts = [_records(e, k, instructions.index(e.task), mapping, camera) for k, e in enumerate(episodes)]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    records = Records(**arrays, **_depth(episodes), instructions=tuple(instructions))
    meaning = _meaning(records, mapping)
    write_dataset(records, folder, meaning, float(opened.info["fps"]), quiet)
    stats = norm_stats(records.chunk[:, 0, 0], records.state, Path(folder).name)
    (Path(folder) / "meta/norm_stats.json").write_text(json.dumps(stats, indent=1) + "\n")
    return Path(folder)


def _depth(episodes: list[SourceEpisode]) -> dict:
    """Return the depth codes of every picture that has a depth picture, spelled as the cell spells them."""
    if episodes[0].depth_mm is None:
        return {"depth_codes": np.zeros((0, DEPTH_COUNT), np.uint8), "depth_rows": np.zeros(0, int)}
    coder = open_depth_coder(data_root() / DEPTH_MODEL)
    pictures = [inverse_depth(np.asarray(d, np.float32) / 1000).image for e in episodes for d in e.depth_mm]
    codes = np.stack([np.ravel(coder.encode(p)) for p in pictures]).astype(np.uint8)
    return {"depth_codes": codes, "depth_rows": np.arange(len(codes))}


def check_gripper(episodes: list[SourceEpisode], mapping: Mapping) -> None:
    """Hold what the mapping says of the gripper against what the gripper did. InvalidData on a contradiction.

    An opening command is followed by a growing opening. The published pipeline inverted grippers without looking.
    """
    if mapping.action_gripper < 0:
        return
    said = np.concatenate([_open_share(e.action[:, mapping.action_gripper], mapping) for e in episodes])
    if mapping.gripper != "width_m" and (said.min() < -0.05 or said.max() > 1.05):
        found = f"gripper actions of {said.min():.2g} to {said.max():.2g}"
        raise InvalidData(found, f"0..1, as '{mapping.gripper}' says", "Say width_m, or scale them.")
    if mapping.opening < 0:
        return
    moved = np.concatenate([_growth(e.state[:, mapping.opening]) for e in episodes])
    if said.std() < 1e-6 or moved.std() < 1e-9:
        return
    together = float(np.corrcoef(said, moved)[0, 1])
    if together < _CONTRADICTION:
        found = f"a gripper that closes when the actions open it (correlation {together:.2f})"
        other = {"open_is_1": "closed_is_1", "closed_is_1": "open_is_1"}.get(mapping.gripper, "another")
        raise InvalidData(found, f"'{mapping.gripper}', as the mapping says", f"Say gripper: {other}.")


def _growth(opening: np.ndarray) -> np.ndarray:
    later = np.append(opening, np.repeat(opening[-1:], _LOOK_AHEAD))[_LOOK_AHEAD:]
    return later - opening


def _open_share(values: np.ndarray, mapping: Mapping) -> np.ndarray:
    """Return gripper actions as 1 = open."""
    if mapping.gripper == "width_m":
        return values / max(float(np.max(values)), 1e-9)
    return values if mapping.gripper == "open_is_1" else 1.0 - values


class _Camera:
    """Where points in the base frame are in the picture, if it is known."""

    def __init__(self, mapping: Mapping):
        self._camera = None
        if mapping.calibration:
            cameras = load(mapping.calibration).cameras
            if mapping.calibrated_camera not in cameras:
                found = f"no camera '{mapping.calibrated_camera}' in '{mapping.calibration}'"
                raise InvalidData(found, f"one of {', '.join(cameras)}", "Correct the mapping.")
            self._camera = cameras[mapping.calibrated_camera]
            if self._camera.mount != "base":
                raise InvalidData("a camera on the hand", "one that stands still", "Name another camera.")

    def track(self, episode: SourceEpisode, mapping: Mapping) -> np.ndarray:
        """Return the tip in every picture (n, 2), 0..1 of width and height; NaN where it is not known."""
        if self._camera is not None:
            tip = episode.state[:, mapping.position]
            return project(tip, self._camera.K, self._camera.T_mount_camera) / (np.array(self._camera.size) - 1)
        if episode.track is None:
            return np.full((len(episode.state), 2), np.nan)
        height, width = episode.pictures.shape[1:3]
        units = {"pixels": (width - 1, height - 1), "percent": (100.0, 100.0), "0..255": (255.0, 255.0)}
        ends = units[mapping.trace_unit]
        most = np.nanmax(episode.track, axis=0)
        if np.any(most > np.add(ends, 0.5)) or np.nanmin(episode.track) < 0:
            found = f"points up to {most.round(1).tolist()} in '{mapping.trace}', declared as {mapping.trace_unit}"
            raise InvalidData(found, f"at most {list(ends)}", "Say another trace_unit: pixels, percent or 0..255.")
        return episode.track / ends


def _records(episode: SourceEpisode, number: int, task: int, mapping: Mapping, camera: _Camera) -> dict:
    """Return the arrays of one episode."""
    n, track = len(episode.state), camera.track(episode, mapping)
    trace, length = _traces(track)
    state = np.zeros((n, 7), np.float32)
    state[:, :3] = episode.state[:, mapping.position]
    state[:, 3 : 3 + len(mapping.rotation)] = episode.state[:, mapping.rotation]
    state[:, 6] = episode.state[:, mapping.opening] if mapping.opening >= 0 else 0.0
    action = episode.action.copy()
    opens = np.ones(n)
    if mapping.action_gripper >= 0:
        opens = action[:, mapping.action_gripper] = _open_share(action[:, mapping.action_gripper], mapping)
    # The last row is repeated at the end of an episode, as in post-training (spec section 6.5).
    rows = np.minimum(np.arange(n)[:, None] + np.arange(mapping.horizon), n - 1)
    return {
        "image": np.stack([resize(p, mapping.picture) for p in episode.pictures]), "state": state,
        "instruction": np.full((n, 1), task), "trace": trace[:, None], "trace_length": length[:, None],
        "chunk": action[rows][:, None].astype(np.float32), "points": _points(track, opens)[:, None],
        "far": np.ones((n, 1), bool), "episode": np.full(n, number),
    }  # fmt: skip


def _traces(track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return traces (n, 5, 2) in 0..255 of what is left of the episode at every frame, and how many points count."""
    n, known = len(track), np.isfinite(track).all(1)
    trace, length = np.zeros((n, MAX_TRACE_POINTS, 2), np.uint8), np.zeros(n, int)
    for row in range(n):
        left = track[row:][known[row:]]
        if not known[row] or not len(left):
            continue
        picked = left[np.linspace(0, len(left) - 1, MAX_TRACE_POINTS).round().astype(int)]
        trace[row] = np.clip(np.rint(picked * (TRACE_RANGE - 1)), 0, TRACE_RANGE - 1)
        length[row] = MAX_TRACE_POINTS
    return trace, length


def _points(track: np.ndarray, opens: np.ndarray) -> np.ndarray:
    """Return where to look (n, 3, 2): the tip at the next closing, at the opening after it, and now."""
    n, open_ = len(track), opens > _CLOSED
    points = np.full((n, 3, 2), np.nan, np.float32)
    points[:, 2] = track
    closings = np.flatnonzero(open_[:-1] & ~open_[1:]) + 1
    openings = np.flatnonzero(~open_[:-1] & open_[1:]) + 1
    for row in range(n):
        closing = closings[closings >= row]
        opening = openings[openings >= (closing[0] if open_[row] and len(closing) else row)]
        if open_[row] and len(closing):
            points[row, 0] = track[closing[0]]
        elif not open_[row]:
            points[row, 0] = track[row]
        if len(opening):
            points[row, 1] = track[opening[0]]
    return points


def _meaning(records: Records, mapping: Mapping) -> Meaning:
    """Bins go from the 1st to the 99th percentile of what every dimension does; those that stand still have none."""
    found = statistics(records.chunk[:, 0].reshape(-1, records.chunk.shape[3]))
    dims = tuple(i for i, (a, b) in enumerate(zip(found["q01"], found["q99"])) if b > a)
    low, high = (tuple(found[k][i] for i in dims) for k in ("q01", "q99"))
    ActionCodec(low, high)
    return Meaning(mapping.camera, mapping.action_frame, mapping.horizon, dims, low, high)
