"""One closed-loop episode in the plain simulator, with the delay between seeing and acting that the cell has."""

from dataclasses import asdict

import numpy as np

from ..reasoning.reasoner import Reasoner
from ..sim.judge import TaskJudge
from ..types import Plan
from . import expert

MAX_STEPS = 70
# A question that is refused this often in a row will not be answered.
MAX_REFUSALS = 8
_STEP_NS = int(expert.DT_S * 1e9)
# The judge looks this often within a step.
_LOOKS = 2


def run_episode(
    reasoner: Reasoner, world, layout, instruction: str, delay_steps: int = 2, lag_s: float = 0.08,
    max_steps: int = MAX_STEPS, watch=None,
) -> dict:  # fmt: skip
    """Run one table and return what happened: seed, axis, task, instruction, success and how it came about.

    A plan counts `delay_steps` (of 0.2 s) after its frame was seen; meanwhile the older plan goes on. Its rows that
    were due by then are skipped. Judged from the simulator's true state. `watch(step, frame, plan or None, objects,
    tip, width)` is called before every step.
    """
    world.reset(layout)
    reasoner.forget()
    judge = TaskJudge(layout, layout.task)
    active = pending = None
    plan_ms, refusals, refused = [], 0, 0
    step, ended = 0, "timeout"
    for step in range(max_steps):
        frame = world.frame(step * _STEP_NS)
        if pending is None:
            answer = reasoner.plan(frame, instruction)
            if isinstance(answer, Plan):
                plan_ms.append(float(answer.latency_ms.get("total", float("nan"))))
                pending, refused = (step, answer), 0
            else:
                refusals, refused, pending = refusals + 1, refused + 1, (step, None)
        if watch is not None:
            watch(step, frame, active and active[1], world.objects(), frame.robot.T_base_ee[:3, 3], world.width_m)
        if step - pending[0] >= delay_steps:
            active, pending = (pending if pending[1] else active), None
        _execute(world, judge, active, step, lag_s)
        if judge.outcome.success or refused >= MAX_REFUSALS:
            ended = "success" if judge.outcome.success else "refused"
            break
    outcome = asdict(judge.outcome)
    return {
        "seed": layout.number, "axis": layout.axis, "instruction": instruction, **outcome, "ended": ended,
        "steps": step + 1, "plans": len(plan_ms), "refusals": refusals, "plan_ms": plan_ms,
    }  # fmt: skip


def _execute(world, judge, active, step: int, lag_s: float) -> None:
    """Move along the row that is due; without a plan, or past its end, stay."""
    row = step - active[0] if active else expert.HORIZON
    if row >= expert.HORIZON:
        goal, opened, lag_s = world.robot().T_base_ee[:3, 3], world.open, 0.0
    else:
        action = active[1].chunk.actions[row]
        goal, opened = action[:3], action[6] > 0.5
    start = world.tip_goal
    for look in range(1, _LOOKS + 1):
        world.step(start + (goal - start) * look / _LOOKS, opened, expert.DT_S / _LOOKS, lag_s)
        stamp_ns = step * _STEP_NS + look * _STEP_NS // _LOOKS
        judge.update(stamp_ns, world.robot().T_base_ee[:3, 3], world.width_m, world.objects())


def mean_success(cases: list[dict]) -> float:
    """Return the share of successful episodes."""
    return float(np.mean([case["success"] for case in cases])) if cases else float("nan")
