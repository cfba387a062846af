"""Make demonstrations from seeds into a folder, one file per job, and read them as Records."""

from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import MissingPart
from ..perception.depth_image import inverse_depth
from ..perception.raster import resize
from ..places import data_root
from .demonstrations import demonstrated, episode, require_training_seed, snapshot
from .records import Records

# Depth codes cost as much as the picture: every so many frames have them.
DEPTH_EVERY = 4
DEPTH_MODEL = "models/depth_vqvae"
SNAPSHOTS_PER_JOB, EPISODES_PER_JOB = 250, 10
# Further tables of the same training seeds: the kinds never share one.
_VARIANTS = {"episodes": 1, "visits": 501, "snapshots": 1001}
_LABELLED = ("image", "state", "chunk", "trace", "trace_length", "points", "far")


def _pack(records: list[dict], episodes: list[int], coder) -> dict:
    packed = {key: np.stack([r[key] for r in records]) for key in _LABELLED}
    pictures = [inverse_depth(r["depth_mm"] / 1000.0).image for r in records[::DEPTH_EVERY]]
    packed["depth_codes"] = np.stack([np.ravel(coder.encode(p)) for p in pictures]).astype(np.uint8)
    packed["instruction"] = np.array([r["instruction"] for r in records])
    packed["episode"] = np.array(episodes)
    return packed


def _run_job(job) -> str:
    kind, first, count, seeds, path, checkpoint = job
    from ..runtime.depth_factory import open_depth_coder
    from ..sim.world import World

    act = policy(checkpoint) if checkpoint else demonstrated
    world, records, episodes = World(), [], []
    for index in range(first, first + count):
        seed, variant = index % seeds, index // seeds
        if kind == "snapshots":
            made = [one for one in [snapshot(world, seed, _VARIANTS[kind] + variant)] if one is not None]
        else:
            made = list(episode(world, seed, _VARIANTS[kind] + variant, act))
        records.extend(made)
        episodes.extend([index] * len(made))
    world.renderer.close()
    partial = Path(path).with_suffix(".partial.npz")
    np.savez(partial, **_pack(records, episodes, open_depth_coder(data_root() / DEPTH_MODEL)))
    partial.rename(path)
    return path


def policy(checkpoint):
    """Return the `act` of demonstrations.episode that lets a checkpoint decide, on one thread."""
    from ..reasoning.factory import open_reasoner
    from ..types import Plan

    reasoner = open_reasoner(checkpoint, resize)

    def act(frame, one: dict) -> np.ndarray | None:
        if frame.stamp_ns == 0:
            reasoner.forget()
        answer = reasoner.plan(frame, one["instruction"][0])
        return answer.chunk.actions if isinstance(answer, Plan) else None

    return act


def collect(output, episodes: int, snapshots: int, processes: int, seeds: int = 18_000, quiet: bool = False) -> Path:
    """Make demonstrations into `output`, one file per job; files that exist are kept, so an interrupted run resumes.

    Tables are those of the training seeds 0 .. seeds - 1; when they are used up, further variants of them follow.
    """
    kinds = (("episodes", 0, episodes, EPISODES_PER_JOB), ("snapshots", 0, snapshots, SNAPSHOTS_PER_JOB))
    return _collect(output, kinds, processes, seeds, quiet)


def visit(output, checkpoint, first: int, count: int, processes: int, seeds: int = 18_000, quiet: bool = False) -> Path:
    """Let `checkpoint` act in episodes first .. first + count - 1, label what it visits; otherwise as `collect`.

    The expert's word on the states that a policy gets itself into is what imitation lacks (Ross et al., AISTATS 2011).
    """
    kinds = (("visits", first, count, EPISODES_PER_JOB),)
    return _collect(output, kinds, processes, seeds, quiet, str(checkpoint))


def _collect(output, kinds, processes: int, seeds: int, quiet: bool, checkpoint: str = "") -> Path:
    require_training_seed(seeds - 1)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    jobs = []
    for kind, start, total, size in kinds:
        for first in range(start, start + total, size):
            path = output / f"{kind}-{first:07d}.npz"
            if not path.exists():
                jobs.append((kind, first, min(size, start + total - first), seeds, str(path), checkpoint))
    if jobs:
        # A fresh process now and then keeps GL contexts from piling up.
        with get_context("spawn").Pool(processes, maxtasksperchild=8) as pool:
            for _ in tqdm(pool.imap_unordered(_run_job, jobs), "demonstrations", len(jobs), disable=quiet):
                pass
    return output


def load_records(folder, visits: int = 0) -> tuple[Records, np.ndarray]:
    """Read a folder that `collect` and `visit` made, of the visits only the first so many episodes.

    Returns the records and which of them (n,) are visits. MissingPart when there are no demonstrations.
    """
    whole = (f for f in sorted(Path(folder).glob("*-*.npz")) if ".partial" not in f.name)
    files = [f for f in whole if not _later_visit(f, visits)]
    if not files:
        raise MissingPart(f"no demonstrations in '{folder}'", "files made by molmoact train", "Make them first.")
    parts, numbers, episode, rows = [], {}, [], []
    start = first_episode = 0
    for file in files:
        with np.load(file) as shard:
            part = {key: shard[key] for key in (*_LABELLED, "depth_codes")}
            words = shard["instruction"]
            part["instruction"] = np.array([[numbers.setdefault(str(w), len(numbers)) for w in row] for row in words])
            _, local = np.unique(shard["episode"], return_inverse=True)
        episode.append(local + first_episode)
        rows.append(start + np.arange(0, len(part["state"]), DEPTH_EVERY))
        start, first_episode = start + len(part["state"]), first_episode + int(local.max()) + 1
        parts.append(part)
    arrays = {key: np.concatenate([p.pop(key) for p in parts]) for key in (*_LABELLED, "depth_codes", "instruction")}
    records = Records(
        **arrays, episode=np.concatenate(episode), depth_rows=np.concatenate(rows), instructions=tuple(numbers)
    )
    visited = np.concatenate([np.full(len(e), f.name.startswith("visits-")) for e, f in zip(episode, files)])
    return records, visited


def _later_visit(file: Path, visits: int) -> bool:
    kind, _, first = file.stem.partition("-")
    return kind == "visits" and int(first) >= visits
