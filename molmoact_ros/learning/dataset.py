"""The action-reasoning dataset of the embedded model: made from seeds, kept as memory-mapped arrays."""

import json
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..sim.layout import COLOURS
from .demonstrations import TRAINING_SEEDS, episode, snapshot

DEPTH_EVERY = 3
SNAPSHOTS_PER_JOB = 200
EPISODES_PER_JOB = 20
_COLOUR_INDEX = {c: i for i, c in enumerate(COLOURS)}


def _pack(records: list) -> dict:
    """Stack records into arrays; two labels per frame, for two different targets."""
    observations, colours, labels, absent = zip(*records)
    packed = {k: np.stack([o[k] for o in observations]) for k in ("image", "state")}
    packed["depth_mm"] = np.stack([o["depth_mm"] for o in observations[::DEPTH_EVERY]])
    packed["colours"] = np.array([[_COLOUR_INDEX[c] for c in pair] for pair in colours], np.uint8)
    packed["absent"] = np.array([_COLOUR_INDEX[c] for c in absent], np.uint8)
    for key in labels[0][0]:
        packed[key] = np.stack([[one[key] for one in pair] for pair in labels])
    return packed


def _run_job(job) -> str:
    kind, first_seed, count, path = job
    from ..sim.world import World

    world, records = World(), []
    for seed in range(first_seed, first_seed + count):
        if kind == "episodes":
            records.extend(episode(world, seed))
        else:
            records.append(snapshot(world, seed))
    world.renderer.close()
    partial = Path(path).with_suffix(".partial.npz")
    np.savez(partial, **_pack(records))
    partial.rename(path)
    return path


def collect(output, episodes: int, snapshots: int, processes: int, first_seed: int = TRAINING_SEEDS, say=print) -> None:
    """Make demonstrations into `output`, one file per job; files that exist are kept, so an interrupted run resumes."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    jobs = []
    for kind, total, size in (("episodes", episodes, EPISODES_PER_JOB), ("snapshots", snapshots, SNAPSHOTS_PER_JOB)):
        for start in range(0, total, size):
            seed = first_seed + start + (500_000 if kind == "snapshots" else 0)
            path = output / f"{kind}-{seed}.npz"
            if not path.exists():
                jobs.append((kind, seed, min(size, total - start), str(path)))
    # A fresh process per job keeps GL contexts from piling up.
    with get_context("spawn").Pool(processes, maxtasksperchild=8) as pool:
        for done, path in enumerate(pool.imap_unordered(_run_job, jobs), 1):
            say(f"demonstrations: {done}/{len(jobs)} {Path(path).name}")


class Dataset:
    """All records of a folder in memory; row i holds one frame with two labelled targets."""

    def __init__(self, folder):
        files = sorted(Path(folder).glob("*-*.npz"))
        parts = [np.load(f) for f in files]
        keys = [k for k in parts[0].files if k != "depth_mm"]
        self.arrays = {k: np.concatenate([p[k] for p in parts]) for k in keys}
        self.depth_mm = np.concatenate([p["depth_mm"] for p in parts])
        starts = np.cumsum([0] + [len(p["state"]) for p in parts[:-1]])
        rows = [s + np.arange(0, len(p["state"]), DEPTH_EVERY) for s, p in zip(starts, parts)]
        self.depth_rows = np.concatenate(rows)

    def __len__(self):
        return len(self.arrays["state"])

    def summary(self) -> str:
        """Return counts as JSON."""
        return json.dumps({"frames": len(self), "with_depth": len(self.depth_rows)})
