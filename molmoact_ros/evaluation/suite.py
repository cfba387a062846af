"""`molmoact eval`: closed-loop suites, through the running ROS graph (--graph) or in the plain simulator."""

import argparse
import os
from tempfile import TemporaryDirectory

from ..arms.profile import FR3
from ..cell import CELLS
from ..errors import ConfigError, MissingPart
from ..launcher import CellProcesses, parse
from ..reasoning.manifest import load_manifest
from ..sim.layout import AXES, FIRST_TEST_SEED, TASKS, table_number
from . import html_report
from .episode import Limits, prepare, run_episode
from .failures import category
from .handover import hand_over
from .kept import Kept
from .log import CellLog
from .report import suite_summary, write_report
from .workers import STRIP, WHOLE, Job, question, run_all

SUITES = ("tabletop", "pick")
_READY_S = 90.0
_SETTINGS = ("suite", "graph", "axis", "seed", "episodes", "tasks", "runtime", "timeout", "arguments")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact eval`."""
    parser.add_argument(
        "--suite", choices=SUITES, default="pick", help="tabletop: every table's own task; pick: pick up its target"
    )
    parser.add_argument("--axis", choices=(*AXES, "all"), default=AXES[0], help="what differs from training")
    parser.add_argument("--tasks", help="only these tasks of the tabletop, separated by commas")
    parser.add_argument("--graph", action="store_true", help="through the running ROS graph, with all its delays")
    parser.add_argument("--episodes", type=int, default=20, help="episodes of each axis")
    parser.add_argument("--seed", type=int, default=FIRST_TEST_SEED, help="of the first episode; the others follow it")
    parser.add_argument("--checkpoint", help="folder of the model; default: the cell's")
    parser.add_argument("--runtime", help="backend: auto, onnx, torch, tensorrt")
    parser.add_argument("--workers", default=str(os.cpu_count()), help="processes (in the plain simulator), or: ray")
    parser.add_argument(
        "--json", metavar="FILE", help="write summary, cases and environment; goes on where it was cut off"
    )
    parser.add_argument("--html", metavar="FILE", help="write a page with figures and a picture strip of every failure")
    parser.add_argument("--video", action="store_true", help="write a video of every failure beside the page")
    parser.add_argument("--timeout", type=float, default=40.0, help="simulated seconds per episode after first motion")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="launch arguments of the cell")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact eval`; the suite in the graph goes on in a process that speaks ROS."""
    if options.episodes < 1:
        raise ConfigError(f"--episodes {options.episodes}", "1 or more", "Ask for at least one episode.")
    if options.workers != "ray" and not (options.workers.isdigit() and int(options.workers)):
        raise ConfigError(f"--workers {options.workers}", "a number of processes from 1 on, or ray", "Correct it.")
    if options.video and (options.graph or not options.html):
        found = "--video with --graph" if options.graph else "--video without --html"
        raise ConfigError(found, "--html in the plain simulator, which makes the pictures", "Correct the options.")
    if options.html:
        html_report.check_packages()
    specs = _specs(options)
    if options.graph:
        return hand_over("eval", options)
    return _offline(options, specs)


def numbers(options) -> list[int]:
    """Return the numbers of the tables that the options ask for, in order. ConfigError for unknown tasks."""
    wanted = options.tasks.split(",") if options.tasks else list(TASKS)
    if set(wanted) - set(TASKS):
        raise ConfigError(f"--tasks {options.tasks}", f"some of {', '.join(TASKS)}", "Correct the names.")
    found = []
    for axis in AXES if options.axis == "all" else (options.axis,):
        seed, last = options.seed, len(found) + options.episodes
        while len(found) < last:
            number = table_number(seed, axis)
            if TASKS[number % len(TASKS)] in wanted:
                found.append(number)
            seed += 1
    return found


def run(open_observer, options: argparse.Namespace) -> int:
    """Run the suite through the graph; `open_observer()` joins ROS. Returns the exit code."""
    specs = _specs(options)
    kept = _kept(options, specs)
    left = numbers(options)[len(kept.cases) :]
    if not left:
        return _report(kept, options)
    with TemporaryDirectory() as folder, CellLog(f"{folder}/cell.log") as log:
        with CellProcesses(specs, say=log.take) as cell, open_observer() as observer:
            _wait_until_alive(observer, cell)
            for number in left:
                kept.add(_graph_episode(observer, cell, number, options))
                log.flush()
                print(case_line(kept.cases), flush=True)
    return _report(kept, options)


def _wait_until_alive(observer, cell) -> None:
    def alive() -> bool:
        cell.check()
        safety = observer.safety()
        return observer.truth() is not None and safety is not None and safety.state in ("ACTIVE", "HOLDING")

    if not observer.wait_for(alive, _READY_S, period_s=0.1):
        raise MissingPart(f"the cell is not ready after {_READY_S:.0f} s", "an armed supervisor", "Try: molmoact demo")


def _graph_episode(observer, cell, number: int, options) -> dict:
    cell.check()
    prepare(observer, number, FR3.home_q)
    _, sentence = question(number, options.suite == "pick")
    case = run_episode(observer, number, sentence, Limits(motion_s=options.timeout), lambda _: cell.check())[0]
    return {**case, "category": category(case)}


def _offline(options, specs) -> int:
    """Run the suite in the plain simulator, without ROS and faster than real time."""
    kept = _kept(options, specs)
    left = numbers(options)[len(kept.cases) :]
    pictures = (WHOLE if options.video else STRIP) if options.html else 0
    job = Job(_checkpoint(specs), options.runtime or "auto", options.suite == "pick", pictures)
    for case in run_all(job, left, options.workers) if left else ():
        kept.add(case)
        print(case_line(kept.cases), flush=True)
    return _report(kept, options)


def _kept(options, specs) -> Kept:
    """Open what is kept of the run; only one of the very same model and tables goes on."""
    settings = {name: getattr(options, name) for name in _SETTINGS}
    manifest = load_manifest(_checkpoint(specs))
    kept = Kept(options.json, {**settings, "checkpoint": str(manifest.path), "files": dict(manifest.files)})
    if kept.cases:
        print(f"  going on after {len(kept.cases)} episodes of an interrupted run", flush=True)
    return kept


def _checkpoint(specs) -> str:
    return next(spec for spec in specs if spec.name == "reasoning").parameters["checkpoint"]


def case_line(cases: list[dict]) -> str:
    """One line about the newest case, with the count so far."""
    case, done = cases[-1], sum(bool(c["success"]) for c in cases)
    result = "done" if case["success"] else case.get("category") or "failed"
    return (
        f"  table {case['seed']}  {case['instruction']:<52} {result:<15} {case['plans']:>3} plans"
        f"  {case['wall_s']:5.1f} s   {done} of {len(cases)} done"
    )


def _report(kept: Kept, options) -> int:
    cases = kept.cases
    summary = {"suite": options.suite, "graph": options.graph, "axis": options.axis, **suite_summary(cases)}
    print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in summary.items()))
    if options.json:
        plain = [{k: v for k, v in case.items() if k != "pictures"} for case in cases]
        write_report(options.json, summary, plain)
    if options.html:
        html_report.write(options.html, summary, cases, options.video)
    kept.drop()
    return 0


def _specs(options):
    given = {"seed": numbers(options)[0], **parse(options.arguments), "sim": True}
    chosen = {"checkpoint": options.checkpoint, "backend": options.runtime}
    return CELLS["franka"].nodes({**given, **{k: v for k, v in chosen.items() if v}})
