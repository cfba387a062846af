"""Episodes in the plain simulator, shared out to processes: faster than real time, without ROS."""

import time
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Iterator

from ..errors import missing_package
from ..sim.language import canonical, instruction, noun_of
from ..sim.layout import Layout, Task, asked, sample_layout
from .failures import category
from .pictures import encode_jpeg

_STRIP, _PICTURE, _TRACE_RGB = 8, (240, 180), (255, 220, 0)
_MINE = {}


@dataclass(frozen=True)
class Job:
    """What every process needs: checkpoint, backend, whether every table is asked to be picked from."""

    checkpoint: str
    backend: str = "auto"
    pick: bool = False


def question(number: int, pick: bool) -> tuple[Layout, str]:
    """Return the table of a number and what is asked of it: its own task, or to pick up its target."""
    layout = sample_layout(number)
    if not pick:
        return layout, instruction(layout)
    layout = asked(layout, Task("pick", layout.task.target))
    return layout, canonical(layout.task, lambda name: f"{layout.item(name).colour} {noun_of(layout, name)}")


def run_all(job: Job, numbers: list[int], workers: str) -> Iterator[dict]:
    """Yield the cases of these tables in their order; `workers`: number of processes, or `ray`."""
    if workers == "ray":
        yield from _run_ray(job, numbers)
        return
    with get_context("spawn").Pool(min(int(workers), len(numbers)), _open, (job,)) as pool:
        yield from pool.imap(_run, numbers)


def _run_ray(job: Job, numbers: list[int]) -> Iterator[dict]:
    """Share the episodes out over a ray cluster (RAY_ADDRESS names it; without one, this machine)."""
    try:
        import ray
    except ImportError as error:
        raise missing_package("ray", "ray") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    run = ray.remote(_run_alone)
    yield from (ray.get(case) for case in [run.remote(job, number) for number in numbers])


def _run_alone(job: Job, number: int) -> dict:
    if _MINE.get("job") != job:
        _open(job)
    return _run(number)


def _open(job: Job) -> None:
    """Open model and simulator of this process."""
    from ..perception.raster import resize
    from ..reasoning.factory import Engine, open_reasoner
    from ..sim.world import World

    _MINE.update(job=job, world=World(), reasoner=open_reasoner(job.checkpoint, resize, engine=Engine(job.backend)))


def _run(number: int) -> dict:
    from ..learning.rollout import run_episode

    layout, sentence = question(number, _MINE["job"].pick)
    started_s, seen = time.monotonic(), []

    def watch(step, frame, plan, objects, tip, width) -> None:
        seen.append((step, frame.first_image, None if plan is None else plan.trace))

    case = run_episode(_MINE["reasoner"], _MINE["world"], layout, sentence, watch=watch)
    case["wall_s"] = round(time.monotonic() - started_s, 2)
    case["plan_ms"] = [round(ms, 1) for ms in case["plan_ms"]]
    case["category"] = category(case)
    if case["category"]:
        case["pictures"] = _pictures(seen)
    return case


def _pictures(seen: list) -> list[str]:
    """Return all frames of an episode as base64 JPEG, small, with the trace that was followed drawn on."""
    from ..perception import raster

    pictures = []
    for _, image, trace in seen:
        drawn = image.copy()
        if trace is not None:
            raster.polyline(drawn, trace.pixels(), _TRACE_RGB, width=1, dots=True)
        pictures.append(encode_jpeg(raster.resize(drawn, _PICTURE)))
    return pictures


def strip(pictures: list[str]) -> list[str]:
    """Return at most 8 of an episode's pictures, evenly in time, first and last among them."""
    count = min(_STRIP, len(pictures))
    return [pictures[round(i * (len(pictures) - 1) / max(count - 1, 1))] for i in range(count)]
