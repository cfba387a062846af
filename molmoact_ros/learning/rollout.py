"""One closed-loop episode in the plain simulator, with the delay between seeing and acting that the cell has."""

import numpy as np

from ..reasoning.reasoner import Reasoner
from ..sim.layout import sample_layout
from ..types import Plan
from . import expert

MAX_STEPS = 60
LIFTED_M = 0.07
REACHED_M = 0.03


def run_episode(reasoner: Reasoner, world, seed: int, delay_steps: int = 2, lag_s: float = 0.08) -> dict:
    """Run one seed and return seed, instruction, reached, lifted, steps, plans, refusals, min_distance_m.

    A plan counts `delay_steps` (of 0.2 s) after its frame was seen; meanwhile the older plan goes on. Its rows that
    were due by then are skipped. Judged from the simulator's true state.
    """
    layout = sample_layout(seed)
    world.reset(layout)
    active = pending = None
    plans = refusals = 0
    nearest = np.inf
    start_z = world.cubes()[layout.target][2]
    for step in range(MAX_STEPS):
        if pending is None:
            answer = reasoner.plan(world.frame(int(step * expert.DT_S * 1e9)), layout.instruction)
            plans, refusals = plans + isinstance(answer, Plan), refusals + (not isinstance(answer, Plan))
            pending = (step, answer if isinstance(answer, Plan) else None)
        if step - pending[0] >= delay_steps:
            active, pending = (pending if pending[1] else active), None
        _execute(world, active, step, lag_s)
        cube = world.cubes()[layout.target]
        nearest = min(nearest, float(np.linalg.norm(world.robot().T_base_ee[:3, 3] - cube)))
        if cube[2] - start_z > LIFTED_M and nearest < REACHED_M:
            break
    return {
        "seed": seed, "instruction": layout.instruction, "reached": nearest < REACHED_M,
        "lifted": bool(cube[2] - start_z > LIFTED_M), "steps": step + 1, "plans": plans, "refusals": refusals,
        "min_distance_m": round(nearest, 4),
    }  # fmt: skip


def _execute(world, active, step: int, lag_s: float) -> None:
    """Move along the row that is due; without a plan, or past its end, stay."""
    row = step - active[0] if active else expert.HORIZON
    if row >= expert.HORIZON:
        tip = world.robot().T_base_ee[:3, 3]
        world.step(tip, world.open, expert.DT_S)
    else:
        action = active[1].chunk.actions[row]
        world.step(action[:3], action[6] > 0.5, expert.DT_S, lag_s)
