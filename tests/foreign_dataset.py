"""A small LeRobot dataset as somebody else might have recorded it: an arm that grasps, carries and lets go."""

import json
from pathlib import Path

import cv2
import numpy as np

from molmoact_ros.config import build
from molmoact_ros.learning.lerobot.mapping import Mapping

CALIBRATION = str(Path(__file__).parents[1] / "calibration" / "sim_fr3.yaml")
CAMERA, FPS, EPISODES, LENGTH, SIZE = "first_view", 15, 3, 40, (64, 48)
CLOSES, OPENS = 12, 28
MAX_WIDTH_M = 0.08


def recorded(seed: int = 0) -> dict:
    """Return state and action (n, 7) of all episodes: poses, measured width [m]; absolute poses, 1 = open; tasks."""
    rng = np.random.default_rng(seed)
    states, actions = [], []
    for _ in range(EPISODES):
        marks = np.array([[0.40, 0, 0.30], [0.45, 0.1, 0.05], [0.50, -0.1, 0.25], [0.55, -0.15, 0.08], [0.5, 0, 0.3]])
        marks[:, :2] += rng.uniform(-0.03, 0.03, (5, 2))
        time = np.linspace(0, 4, LENGTH + 1)
        tips = np.column_stack([np.interp(time, range(5), marks[:, i]) for i in range(3)])
        turns = np.tile([np.pi - 0.05, 0.1, 0.0], (LENGTH + 1, 1)) + 0.02 * np.sin(time)[:, None]
        opened = np.ones(LENGTH)
        opened[CLOSES:OPENS] = 0.0
        width, widths = MAX_WIDTH_M, []
        for step in range(LENGTH):
            widths.append(width)
            width = float(np.clip(width + (0.01 if opened[step] else -0.01), 0.03, MAX_WIDTH_M))
        states.append(np.column_stack([tips[:-1], turns[:-1], widths]))
        actions.append(np.column_stack([tips[1:], turns[1:], opened]))
    return {"state": np.concatenate(states), "actions": np.concatenate(actions)}


def two_arms(one: dict) -> dict:
    """Return the same with a second arm that mirrors the first in y: 14 numbers each."""
    mirror = np.array([1, -1, 1, 1, 1, 1, 1])
    return {name: np.hstack([values, values * mirror]) for name, values in one.items()}


def mapping(**changes) -> Mapping:
    """Return the mapping that fits `recorded`."""
    said = {
        "camera": CAMERA, "state": "state", "action": "actions", "action_frame": "absolute_base",
        "action_gripper_means": "open_is_1", "calibration": CALIBRATION, "horizon": 4,
    }  # fmt: skip
    return build(Mapping, {**said, **changes})


def pictures(count: int = EPISODES * LENGTH, size=SIZE) -> np.ndarray:
    """Return smooth pictures (n, h, w, 3) uint8, each with a brightness of its own."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    base = np.stack([rows * 2, columns * 2, rows + columns], -1)
    return np.stack([np.clip(base + 20 + 2 * (i % LENGTH), 0, 255) for i in range(count)]).astype(np.uint8)


def write(folder, columns: dict, *, version="v3.0", fps=FPS, changes=None, video=False, size=SIZE, drop=0) -> Path:
    """Write the dataset; `changes` replaces LeRobot's own columns, `drop` pictures are missing at the videos' ends."""
    folder, count = Path(folder), len(columns["actions"])
    episode = np.repeat(np.arange(EPISODES), LENGTH)
    own = {
        "timestamp": np.tile(np.arange(LENGTH) / FPS, EPISODES), "frame_index": np.tile(np.arange(LENGTH), EPISODES),
        "episode_index": episode, "index": np.arange(count), "task_index": episode % 2, **(changes or {}),
    }  # fmt: skip
    shown = pictures(count, size)
    features = {name: _feature(values) for name, values in columns.items()} | {n: _feature(v) for n, v in own.items()}
    named = ["height", "width", "channels"]
    features[CAMERA] = {"dtype": "video" if video else "image", "shape": [size[1], size[0], 3], "names": named}
    table = {n: np.asarray(v).tolist() for n, v in {**columns, **own}.items()}
    if not video:
        table[CAMERA] = [{"bytes": cv2.imencode(".png", p[..., ::-1])[1].tobytes(), "path": None} for p in shown]
    writer = _write_v2 if version.startswith("v2") else _write_v3
    paths = writer(folder, table, own["episode_index"])
    if video:
        _write_videos(folder, shown, version, drop)
    info = {
        "codebase_version": version, "fps": fps, "features": features, "total_frames": count, "chunks_size": 1000,
        "total_episodes": EPISODES, **paths,
    }  # fmt: skip
    (folder / "meta/info.json").write_text(json.dumps(info))
    return folder


def _feature(values) -> dict:
    kind = "int64" if np.asarray(values).dtype.kind == "i" else "float32"
    return {"dtype": kind, "shape": list(np.shape(values)[1:]) or [1], "names": None}


def _write_v3(folder, table, episode) -> dict:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part in ("meta/episodes/chunk-000", "data/chunk-000"):
        (folder / part).mkdir(parents=True)
    pq.write_table(pa.table(table), folder / "data/chunk-000/file-000.parquet")
    pq.write_table(pa.table({"task_index": [0, 1], "task": ["fill the cup", "wipe"]}), folder / "meta/tasks.parquet")
    places = {
        "episode_index": list(range(EPISODES)), f"videos/{CAMERA}/chunk_index": [0] * EPISODES,
        f"videos/{CAMERA}/file_index": [0] * EPISODES,
        f"videos/{CAMERA}/from_timestamp": [i * LENGTH / FPS for i in range(EPISODES)],
    }  # fmt: skip
    pq.write_table(pa.table(places), folder / "meta/episodes/chunk-000/file-000.parquet")
    return {"video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"}


def _write_v2(folder, table, episode) -> dict:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part in ("meta", "data/chunk-000"):
        (folder / part).mkdir(parents=True)
    for number in np.unique(episode):
        rows = np.flatnonzero(episode == number)
        part = {name: [values[i] for i in rows] for name, values in table.items()}
        pq.write_table(pa.table(part), folder / f"data/chunk-000/episode_{number:06d}.parquet")
    lines = [json.dumps({"task_index": i, "task": t}) for i, t in enumerate(["fill the cup", "wipe"])]
    (folder / "meta/tasks.jsonl").write_text("\n".join(lines) + "\n")
    return {"video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"}


def _write_videos(folder, shown, version, drop) -> None:
    if version.startswith("v2"):
        parts = np.split(shown, EPISODES)
        files = {f"chunk-000/{CAMERA}/episode_{i:06d}.mp4": part for i, part in enumerate(parts)}
    else:
        files = {f"{CAMERA}/chunk-000/file-000.mp4": shown}
    for name, frames in files.items():
        path = folder / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, frames.shape[2:0:-1])
        for frame in frames[: len(frames) - drop]:
            film.write(frame[..., ::-1])
        film.release()
