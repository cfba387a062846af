"""`molmoact eval`: closed-loop suites, through the running ROS graph (--graph) or in the plain simulator."""

import argparse
import time
from tempfile import TemporaryDirectory

from ..arms.profile import FR3
from ..cell import CELLS
from ..errors import ConfigError, MissingPart
from ..launcher import CellProcesses, parse
from .episode import Limits, prepare, run_episode
from .handover import hand_over
from .log import CellLog
from .report import suite_summary, write_report

SUITES = ("pick",)
# Seeds from here on are never used for training.
FIRST_TEST_SEED = 20_000
_READY_S = 90.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact eval`."""
    parser.add_argument("--suite", choices=SUITES, default="pick", help="what is asked of the cell")
    parser.add_argument("--graph", action="store_true", help="through the running ROS graph, with all its delays")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=FIRST_TEST_SEED, help="of the first episode; the others follow it")
    parser.add_argument("--json", metavar="FILE", help="write summary, cases and environment")
    parser.add_argument("--timeout", type=float, default=30.0, help="simulated seconds per episode after first motion")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="launch arguments of the cell")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact eval`; the suite in the graph goes on in a process that speaks ROS."""
    if options.episodes < 1:
        raise ConfigError(f"--episodes {options.episodes}", "1 or more", "Ask for at least one episode.")
    specs = _specs(options)
    if options.graph:
        return hand_over("eval", options)
    reasoning = next(spec for spec in specs if spec.name == "reasoning")
    return _report(_offline(options, reasoning.parameters["checkpoint"]), options)


def run(open_observer, options: argparse.Namespace) -> int:
    """Run the suite through the graph; `open_observer()` joins ROS. Returns the exit code."""
    cases = []
    with TemporaryDirectory() as folder, CellLog(f"{folder}/cell.log") as log:
        with CellProcesses(_specs(options), say=log.take) as cell, open_observer() as observer:
            _wait_until_alive(observer, cell)
            for seed in range(options.seed, options.seed + options.episodes):
                cases.append(_graph_episode(observer, cell, seed, options.timeout))
                log.flush()
                print(case_line(cases), flush=True)
    return _report(cases, options)


def _wait_until_alive(observer, cell) -> None:
    def alive() -> bool:
        cell.check()
        safety = observer.safety()
        return observer.truth() is not None and safety is not None and safety.state in ("ACTIVE", "HOLDING")

    if not observer.wait_for(alive, _READY_S, period_s=0.1):
        raise MissingPart(f"the cell is not ready after {_READY_S:.0f} s", "an armed supervisor", "Try: molmoact demo")


def _graph_episode(observer, cell, seed: int, timeout_s: float) -> dict:
    from ..sim.layout import sample_layout

    cell.check()
    prepare(observer, seed, FR3.home_q)
    instruction = sample_layout(seed).instruction
    return run_episode(observer, seed, instruction, Limits(motion_s=timeout_s), lambda _: cell.check())[0]


def _offline(options, checkpoint: str) -> list[dict]:
    """Run the suite in the plain simulator, without ROS and faster than real time."""
    from ..learning.rollout import run_episode as run_offline
    from ..perception.raster import resize
    from ..reasoning.factory import open_reasoner
    from ..sim.world import World

    reasoner = open_reasoner(checkpoint, resize)
    world, cases = World(), []
    for seed in range(options.seed, options.seed + options.episodes):
        started_s = time.monotonic()
        cases.append({**run_offline(reasoner, world, seed), "wall_s": round(time.monotonic() - started_s, 2)})
        print(case_line(cases), flush=True)
    return cases


def case_line(cases: list[dict]) -> str:
    """One line about the newest case, with the count so far."""
    case, lifted = cases[-1], sum(bool(c["lifted"]) for c in cases)
    result = "lifted" if case["lifted"] else "reached" if case["reached"] else "missed"
    nearest = f"{case['min_distance_m'] * 100:.1f} cm" if "min_distance_m" in case else "?"
    return (
        f"  seed {case['seed']}  {case['instruction']:<28} {result:<8} nearest {nearest}  "
        f"{case['plans']} plans  {case['wall_s']:.1f} s   {lifted} of {len(cases)} lifted"
    )


def _report(cases: list[dict], options) -> int:
    summary = {"suite": options.suite, "graph": options.graph, **suite_summary(cases)}
    print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in summary.items()))
    if options.json:
        write_report(options.json, summary, cases)
    return 0


def _specs(options):
    return CELLS["franka"].nodes({"seed": options.seed, **parse(options.arguments), "sim": True})
