"""Episodes in the plain simulator, shared out to processes: faster than real time, without ROS."""

import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Iterator

from ..cell import process_environment
from ..errors import MissingPart, MolmoActError, missing_package
from ..sim.language import canonical, instruction, noun_of
from ..sim.layout import Layout, Task, asked, sample_layout
from .failures import category
from .pictures import encode_jpeg

STRIP, WHOLE = 8, 1000
_PICTURE, _TRACE_RGB = (240, 180), (255, 220, 0)
_MINE = {}


@dataclass(frozen=True)
class Job:
    """What every process needs: checkpoint, backend, whether every table is asked to be picked from.

    pictures: how many of a failed episode are kept at most.
    """

    checkpoint: str
    backend: str = "auto"
    pick: bool = False
    pictures: int = 0


def question(number: int, pick: bool) -> tuple[Layout, str]:
    """Return the table of a number and what is asked of it: its own task, or to pick up its target."""
    layout = sample_layout(number)
    if not pick:
        return layout, instruction(layout)
    layout = asked(layout, Task("pick", layout.task.target))
    return layout, canonical(layout.task, lambda name: f"{layout.item(name).colour} {noun_of(layout, name)}")


def run_all(job: Job, numbers: list[int], workers: str) -> Iterator[dict]:
    """Yield the cases of these tables in their order; `workers`: number of processes, or `ray`.

    What goes wrong in a process is raised here as the MolmoActError it was; MissingPart when a process was ended.
    """
    # before the processes start: their NumPy reads it when it is imported
    os.environ.update(process_environment())
    answers = _answers_of_ray(job, numbers) if workers == "ray" else _answers(job, numbers, int(workers))
    for answer in answers:
        if isinstance(answer, dict):
            yield answer
            continue
        kind, found, expected, do = answer
        raise kind(found, expected, do)


def _answers(job: Job, numbers: list[int], workers: int) -> Iterator:
    processes = min(workers, len(numbers))
    # unlike multiprocessing's pool it notices that a process was ended, and does not wait for its answer for ever
    with ProcessPoolExecutor(processes, get_context("spawn"), _leave_at_once) as pool:
        try:
            yield from pool.map(_run, [job] * len(numbers), numbers)
        except BrokenProcessPool as error:
            found = f"one of {processes} processes was ended from outside"
            raise MissingPart(found, "memory for all", "Ask for fewer --workers; with --json it goes on.") from error


def _answers_of_ray(job: Job, numbers: list[int]) -> Iterator:
    """Share the episodes out over a ray cluster (RAY_ADDRESS names it; without one, this machine)."""
    try:
        import ray
    except ImportError as error:
        raise missing_package("ray", "ray") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False, runtime_env={"env_vars": process_environment()})
    run = ray.remote(_run)
    yield from (ray.get(case) for case in [run.remote(job, number) for number in numbers])


def _leave_at_once() -> None:
    """End this process quietly with Ctrl-C, which reaches every process, and whenever the one that started it ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent_process().join()
    os._exit(1)


def _run(job: Job, number: int):
    """Return the case of a table, or (class, found, expected, do) of the MolmoActError that prevented it.

    These errors take three arguments and keep one, so that they cannot travel between processes as they are.
    """
    try:
        if _MINE.get("job") != job:
            _open(job)
        return run_one(job, _MINE["reasoner"], _MINE["world"], number)
    except MolmoActError as error:
        return type(error), error.found, error.expected, error.do


def _open(job: Job) -> None:
    """Open model and simulator of this process."""
    from ..perception.raster import resize
    from ..reasoning.factory import Engine, open_reasoner
    from ..sim.world import World

    reasoner = open_reasoner(job.checkpoint, resize, engine=Engine(job.backend))
    _MINE.update(job=job, world=_MINE.get("world") or World(), reasoner=reasoner)


def run_one(job: Job, reasoner, world, number: int) -> dict:
    """Run one table; return its case with `category` and, where it failed, `pictures` as base64 JPEG."""
    from ..learning.rollout import run_episode

    layout, sentence = question(number, job.pick)
    started_s, seen = time.monotonic(), []

    def watch(step, frame, plan, objects, tip, width) -> None:
        if job.pictures:
            seen.append((frame.first_image, None if plan is None else plan.trace))

    case = run_episode(reasoner, world, layout, sentence, watch=watch)
    case["wall_s"] = round(time.monotonic() - started_s, 2)
    case["plan_ms"] = [round(ms, 1) for ms in case["plan_ms"]]
    case["category"] = category(case)
    if case["category"] and seen:
        case["pictures"] = [_picture(*moment) for moment in strip(seen, job.pictures)]
    return case


def _picture(image, trace) -> str:
    """Return what the model saw, small, with the trace that was followed at that moment drawn on."""
    from ..perception import raster

    drawn = image.copy()
    if trace is not None:
        raster.polyline(drawn, trace.pixels(), _TRACE_RGB, width=1, dots=True)
    return encode_jpeg(raster.resize(drawn, _PICTURE))


def strip(moments: list, most: int = STRIP) -> list:
    """Return at most so many moments of an episode, evenly in time, first and last among them."""
    count = min(most, len(moments))
    return [moments[round(i * (len(moments) - 1) / max(count - 1, 1))] for i in range(count)]
