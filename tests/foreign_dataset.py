"""A small LeRobot v3 dataset as somebody else might have recorded it, with faults on demand."""

import json
from pathlib import Path

import cv2
import numpy as np

CAMERA, EPISODES, LENGTH, FPS = "observation.images.side", 2, 12, 10.0


def made(frames: int = EPISODES * LENGTH, action_dims: int = 7) -> dict:
    """Return columns of episodes in which a gripper goes down, closes and lifts."""
    rng = np.random.default_rng(0)
    phase = np.tile(np.linspace(0, 1, LENGTH), EPISODES)
    position = np.stack([0.45 + 0.1 * phase, 0.1 - 0.1 * phase, 0.05 + 0.3 * np.abs(phase - 0.5)], 1)
    opened = (phase < 0.5).astype(float)
    width = np.clip(0.08 - 0.02 * np.maximum(0, np.arange(frames) % LENGTH - 6), 0.02, 0.08)
    state = np.column_stack([position, np.tile([np.pi, 0.0, 0.0], (frames, 1)), width])
    action = np.column_stack([position + 0.01, np.tile([np.pi, 0.0, 0.0], (frames, 1)), opened])
    if action_dims != 7:
        action = rng.normal(0, 1, (frames, action_dims))
    track = np.stack([100 + 400 * phase, 60 + 300 * phase], 1)
    return {"observation.state": state, "action": action, "track": track}


def write(folder, columns: dict, fps: float = FPS, faults: dict | None = None) -> Path:
    """Write the dataset; `faults` replaces columns of its parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    frames = len(columns["action"])
    for part in ("meta/episodes/chunk-000", "data/chunk-000"):
        (folder / part).mkdir(parents=True)
    pictures = np.random.default_rng(1).integers(0, 255, (frames, 480, 640, 3), dtype=np.uint8)
    cells = [{"bytes": cv2.imencode(".jpg", p)[1].tobytes(), "path": None} for p in pictures]
    table = {
        CAMERA: cells, "timestamp": np.tile(np.arange(LENGTH) / FPS, EPISODES), "frame_index": np.tile(np.arange(LENGTH), EPISODES),
        "episode_index": np.repeat(np.arange(EPISODES), LENGTH), "index": np.arange(frames), "task_index": np.zeros(frames, int),
        **{k: list(map(list, np.asarray(v, float))) for k, v in columns.items()}, **(faults or {}),
    }  # fmt: skip
    pq.write_table(pa.table({k: list(v) for k, v in table.items()}), folder / "data/chunk-000/file-000.parquet")
    pq.write_table(pa.table({"task_index": [0], "task": ["pick up the cup"]}), folder / "meta/tasks.parquet")
    features = {k: {"dtype": "float32", "shape": [np.shape(v)[1]], "names": None} for k, v in columns.items()}
    features[CAMERA] = {"dtype": "image", "shape": [480, 640, 3], "names": ["height", "width", "channels"]}
    info = {
        "codebase_version": "v3.0",
        "fps": fps,
        "features": features,
        "total_episodes": EPISODES,
        "total_frames": frames,
    }
    (folder / "meta/info.json").write_text(json.dumps(info))
    return folder
