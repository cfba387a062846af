"""`molmoact demo`: start the simulated cell, give it an instruction, show what happens, leave pictures and a bag.

`main` runs in the caller's process and hands over to `python -m molmoact_ros.nodes.watch`, which joins ROS and calls
`run`: nothing in this room imports ROS.
"""

import argparse
import time
from datetime import datetime
from pathlib import Path

from ..cell import CELLS
from ..errors import MissingPart
from ..launcher import CellProcesses, parse
from ..sim.language import instruction as said_of
from ..sim.layout import sample_layout
from .episode import Limits, run_episode
from .failures import category
from .handover import hand_over
from .log import CellLog
from .pictures import save_png
from .report import percentile, write_report
from .stages import VITAL_STAGES, alive, table

_READY_S, _ARMED_S = 90.0, 5.0
_LINE_PERIOD_S = 2.0
# From the camera to the operator's picture.
_DRAWING_S = 0.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact demo`."""
    parser.add_argument("--instruction", help="what the cell is told; default: the task of the table")
    parser.add_argument("--seed", type=int, default=0, help="layout of the simulated table")
    parser.add_argument("--json", metavar="FILE", help="write summary, cases and environment")
    parser.add_argument("--out", metavar="FOLDER", help="pictures, bag and log; default: runs/<time>")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds after the first motion (simulated time)")
    parser.add_argument("--no-bag", action="store_true", help="do not record")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="launch arguments of the cell")


def main(options: argparse.Namespace) -> int:
    """Check the arguments of the cell, then run the demo in a process that speaks ROS. Does not return on success."""
    _specs(options)
    return hand_over("demo", options)


def run(open_observer, options: argparse.Namespace) -> int:
    """Run the demo; `open_observer()` joins ROS. Returns the exit code, 0 when the task was done."""
    instruction = options.instruction or said_of(sample_layout(options.seed))
    out = Path(options.out or Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    out.mkdir(parents=True, exist_ok=True)
    started_s = time.monotonic()
    with CellLog(out / "cell.log") as log, CellProcesses(_specs(options), say=log.take) as cell:
        with open_observer() as observer:
            wait_until_ready(observer, cell, log, started_s)
            observer.reset_meters()
            if not options.no_bag:
                observer.start_recording(out / "bag")
            show = Show(observer, cell, log, out)
            limits = Limits(motion_s=options.timeout)
            case, episode = run_episode(observer, options.seed, instruction, limits, show.step)
            show.save_end()
            print("\n" + table(observer), flush=True)
            summary = summarise(case, episode, observer, started_s)
    _print_summary(summary, case, out)
    if options.json:
        write_report(options.json, summary, [case])
    if not case["success"]:
        raise MissingPart(*_why(case))
    return 0


def wait_until_ready(observer, cell, log, started_s: float) -> None:
    """Wait until every vital stage lives and say when each did. ProcessEnded or MissingPart if one does not."""
    waiting, end = dict(VITAL_STAGES), time.monotonic() + _READY_S
    while waiting:
        cell.check()
        log.flush()
        for stage in [s for s, topic in waiting.items() if alive(observer, topic)]:
            print(f"  {stage:<11} after {time.monotonic() - started_s:4.1f} s", flush=True)
            del waiting[stage]
        if time.monotonic() > end:
            silent = " and no ".join(waiting)
            raise MissingPart(f"no {silent} within {_READY_S:.0f} s", "all stages", f"Read {log.path}.")
        time.sleep(0.05)
    if not observer.wait_for(lambda: observer.safety().state in ("ACTIVE", "HOLDING"), _ARMED_S):
        observer.arm()


class Show:
    """What a person sees while the cell works: lines on the screen, pictures in the folder."""

    def __init__(self, observer, cell, log, out: Path):
        self._observer, self._cell, self._log, self._out = observer, cell, log, out
        self._next_line_s = 0.0
        self._saved = set()

    def step(self, episode) -> None:
        """Check the processes, save the pictures whose moment has come, print a line now and then."""
        self._cell.check()
        self._log.flush()
        if episode.plans:
            self._once("first_plan")
        if episode.outcome is not None and episode.outcome.reached:
            self._once("grasp")
        if time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + _LINE_PERIOD_S
            print(progress_line(self._observer, episode), flush=True)

    def _once(self, name: str) -> None:
        if name not in self._saved and self._drawn_since_plan():
            self._saved.add(name)
            self.save(name)

    def _drawn_since_plan(self) -> bool:
        plan, picture = (self._observer.meters[t].last_s for t in ("reasoning/plan", "overlay/image"))
        return picture is not None and plan is not None and picture > plan

    def save_end(self) -> None:
        """Save a picture of how it ended: the newest one may still show the moment before."""
        over_s = time.monotonic()
        self._observer.wait_for(
            lambda: (self._observer.meters["overlay/image"].last_s or 0.0) > over_s + _DRAWING_S, 3.0
        )
        self.save("end")

    def save(self, name: str) -> None:
        """Save the operator's picture, if there is one."""
        picture = self._observer.latest("overlay/image")
        if picture is not None:
            save_png(self._out / f"{name}.png", picture)


def progress_line(observer, episode) -> str:
    """One line: time, plans, where the tip and the named object are, and why the arm waits, if it does."""
    safety, truth = observer.safety(), episode.truth
    line = f"  {episode.elapsed_s:5.1f} s {len(episode.plans):4d} plans"
    if episode.target:
        centre = truth.objects[episode.target]
        apart_cm = 100 * float(((truth.tip - centre) ** 2).sum() ** 0.5)
        line += f"  tip {apart_cm:4.1f} cm from the {episode.target}, which is at {100 * centre[2]:4.1f} cm"
        line += f"  gripper {1000 * truth.gripper_width_m:2.0f} mm"
    if safety.reason:
        line += f"  {safety.state} {safety.reason}"
    return line + (f"  refused: {episode.refusal_detail}" if episode.refused_since_s else "")


def summarise(case: dict, episode, observer, started_s: float) -> dict:
    """Return the flat summary of the report."""
    summary = {
        "instruction": case["instruction"],
        "success": bool(case["success"]),
        "reached": bool(case["reached"]),
        "lifted": bool(case["lifted"]),
        "plans": case["plans"],
        "refusals": sum(case["refusals"].values()),
        "commands": case["commands"],
        "limited": case["verdicts"]["limited"],
        "held": case["verdicts"]["held"],
        "plan_ms_p50": percentile(episode.plans, 50),
        "plan_ms_p99": percentile(episode.plans, 99),
        "age_ms_p50": percentile(episode.command_age_ms, 50),
        "age_ms_p99": percentile(episode.command_age_ms, 99),
        "time_to_first_motion_s": episode.wall_start_s + episode.wall_to_motion_s - started_s,
        "real_time_factor": case["real_time_factor"],
    }
    for topic, meter in observer.meters.items():
        if meter.count:
            summary["rate_hz_" + topic.strip("/").replace("/", "_")] = round(meter.mean_hz, 2)
    return summary


def _specs(options):
    arguments = {"seed": options.seed, **parse(options.arguments), "sim": True}
    return CELLS["franka"].nodes(arguments)


def _print_summary(summary: dict, case: dict, out: Path) -> None:
    print(f"\ninstruction   {summary['instruction']}")
    print(f"success       {'yes' if summary['success'] else 'no'} ({case['ended']}), judged from the simulator's state")
    print(f"plans         {summary['plans']}, median {summary['plan_ms_p50']:.0f} ms")
    print(f"commands      {summary['commands']} issued, {summary['limited']} limited, {summary['held']} held")
    print(f"first motion  {summary['time_to_first_motion_s']:.1f} s after the start")
    print(f"files         {out}", flush=True)


def _why(case: dict) -> tuple[str, str, str]:
    if not case["target"]:
        return f"'{case['instruction']}': {case['ended']}", "a task for what is on the table", "Ask another, or --seed."
    found = f"'{case['instruction']}' was not done ({case['ended']}: {category(case)})"
    return found, "it done in the simulator's true state", "Look at the pictures and the bag."
