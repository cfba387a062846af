"""One episode in the running cell: give the instruction, watch until the task is done or the time is over.

`cell` is an observer (nodes/observer.py); this module knows only its methods, not ROS.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np

from ..errors import MissingPart
from ..sim.judge import TaskJudge
from ..sim.language import understand
from ..sim.layout import sample_layout
from ..types import Plan
from .observed import TableState

MOVING_RAD_S = 0.05
_HOME_RAD, _REST_RAD_S = 0.06, 0.02
# What the hand held must have fallen before the table is laid anew; the hand opens at home.
_OPEN_M = 0.07
# By then the wish to go home has become a command, also on a busy machine.
_HOME_REQUESTS = 3
_HEARD_NS = 300_000_000


@dataclass(frozen=True)
class Limits:
    """When to give up: simulated seconds after the first motion, wall seconds without any, seconds of refusals."""

    motion_s: float = 60.0
    silence_s: float = 30.0
    refusal_s: float = 6.0


class Episode:
    """Collects what happens; its take_… methods are called from the observer's thread."""

    def __init__(self, instruction: str, start: TableState):
        self.layout = sample_layout(start.seed)
        self.instruction = instruction
        self.task = understand(instruction, self.layout.items)
        self.target = self.task.target if self.task else ""
        self.judge = TaskJudge(self.layout, self.task) if self.task else None
        self.plans, self.refusals, self.refusal_detail = [], {}, ""
        self.commands, self.command_age_ms = 0, []
        self.start, self.truth = start, start
        self.first_motion_ns = self.first_plan_ns = None
        self.wall_start_s = time.monotonic()
        self.wall_to_motion_s = float("nan")
        self.refused_since_s = None

    def take_plan(self, plan) -> None:
        """Count a plan or a refusal."""
        if plan.instruction not in ("", self.instruction):
            return
        if isinstance(plan, Plan):
            self.plans.append(plan_ms(plan))
            self.first_plan_ns = self.first_plan_ns or plan.stamp_ns
            self.refused_since_s = None
            return
        self.refusals[plan.name] = self.refusals.get(plan.name, 0) + 1
        self.refusal_detail = f"{plan.name}: {plan.detail}"
        self.refused_since_s = self.refused_since_s or time.monotonic()

    def take_command(self, command) -> None:
        """Count a command to the arm and the age of the picture behind it."""
        if command.space != "hold" and command.stamp_ns:
            self.commands += 1
            self.command_age_ms.append((command.issued_ns - command.stamp_ns) / 1e6)

    def take_truth(self, state: TableState) -> None:
        """Judge one instant."""
        self.truth = state
        if self.first_motion_ns is None and self.first_plan_ns and state.speed > MOVING_RAD_S:
            self.first_motion_ns = state.stamp_ns
            self.wall_to_motion_s = time.monotonic() - self.wall_start_s
        if self.judge is not None:
            self.judge.update(state.stamp_ns, state.tip, state.gripper_width_m, state.objects)

    @property
    def outcome(self):
        """The judge's outcome, None when the instruction asks for nothing that can be done on this table."""
        return self.judge.outcome if self.judge is not None and self.judge.watched else None

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the instruction."""
        return (self.truth.stamp_ns - self.start.stamp_ns) / 1e9

    def over(self, limits: Limits) -> str:
        """Say why the episode is over, "" while it goes on."""
        if self.outcome is not None and self.outcome.success:
            return "success"
        now_s = time.monotonic()
        if self.refused_since_s is not None and now_s - self.refused_since_s > limits.refusal_s:
            return self.refusal_detail
        if self.first_motion_ns is None:
            return "no motion" if now_s - self.wall_start_s > limits.silence_s else ""
        return "timeout" if self.truth.stamp_ns - self.first_motion_ns > limits.motion_s * 1e9 else ""

    def case(self, seed: int, ended: str, verdicts) -> dict:
        """Sum up for the report."""
        asked = {"task": self.task.kind if self.task else "", "target": self.target}
        nothing = {**asked, "reached": False, "lifted": False, "success": False, "wrong_object": ""}
        outcome = nothing if self.outcome is None else asdict(self.outcome)
        return {
            "seed": seed,
            "axis": self.layout.axis,
            "instruction": self.instruction,
            **outcome,
            "ended": ended,
            "gave_up": bool(self.refusal_detail and ended == self.refusal_detail),
            "plans": len(self.plans),
            "plan_ms": [round(ms, 1) for ms in self.plans],
            "refusals": self.refusals,
            "commands": self.commands,
            "verdicts": verdicts._asdict(),
            "wall_s": round(time.monotonic() - self.wall_start_s, 2),
            "time_to_first_motion_s": self.wall_to_motion_s,
            "real_time_factor": self.truth.real_time_factor,
        }


def plan_ms(plan: Plan) -> float:
    """Return the latency of a whole plan [ms]."""
    return float(plan.latency_ms.get("total", sum(plan.latency_ms.values())))


def run_episode(cell, seed: int, instruction: str, limits: Limits, watch=None) -> tuple[dict, Episode]:
    """Give the instruction and watch; `watch(episode)` is called about 20 times a second and may raise."""
    start = cell.truth()
    if start is None:
        raise MissingPart("no state of the simulator", "sim/state", "Start the simulated cell.")
    episode, before = Episode(instruction, start), cell.safety().verdicts
    listeners = {
        "reasoning/plan": episode.take_plan,
        "safety/command": episode.take_command,
        "sim/state": episode.take_truth,
    }
    for topic, listener in listeners.items():
        cell.listen(topic, listener)
    try:
        cell.set_instruction(instruction)
        while not (ended := episode.over(limits)):
            if watch is not None:
                watch(episode)
            time.sleep(0.05)
    finally:
        for topic, listener in listeners.items():
            cell.unlisten(topic, listener)
    return episode.case(seed, ended, cell.safety().verdicts.since(before)), episode


def prepare(cell, seed: int, home_q, timeout_s: float = 40.0) -> None:
    """Stop thinking, move the arm home through the supervisor, lay the table anew. MissingPart when it does not."""
    cell.set_instruction("")
    go_home(cell, home_q, timeout_s)
    cell.reset_world(seed)
    if not cell.wait_for(lambda: cell.truth().seed == seed, 5.0):
        raise MissingPart("the table was not laid out anew", f"seed {seed} in sim/state", "Start the cell again.")


def go_home(cell, home_q, timeout_s: float) -> None:
    """Ask the controller for the way home and wait until the arm is there, at rest, with an open hand."""

    def there() -> bool:
        truth, command = cell.truth(), cell.latest("safety/command")
        near = np.abs(truth.q - home_q).max() < _HOME_RAD and truth.speed < _REST_RAD_S
        opened = truth.gripper_width_m > _OPEN_M
        # The controller holds again when its way home is over; before that it would refuse plans.
        return near and opened and command is not None and command.space == "hold"

    # A controller that has just been restarted may lose its way home to a hold: then it is asked again.
    for _ in range(_HOME_REQUESTS):
        cell.home()
        started_ns = cell.now_ns()
        cell.wait_for(lambda: cell.now_ns() - started_ns > _HEARD_NS, timeout_s)
        if cell.wait_for(there, timeout_s / _HOME_REQUESTS):
            return
    safety = cell.safety()
    raise MissingPart(
        f"the arm did not come home in {timeout_s:.0f} s ({safety.state} {safety.reason})",
        "the home pose at rest with an open hand",
        "Clear the way and start again.",
    )
