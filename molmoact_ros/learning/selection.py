"""How good a checkpoint is where it counts: closed-loop success and its own traces, on tables kept for choosing."""

from multiprocessing import get_context

import numpy as np

from ..perception.raster import resize
from ..reasoning.factory import open_reasoner
from ..sim.language import instruction
from ..sim.layout import FIRST_TEST_SEED, sample_layout
from ..types import Frame, Plan, RobotState
from .records import Records
from .rollout import mean_success, run_episode
from .spelling import pose_of

# Training uses the seeds below, evaluation those from FIRST_TEST_SEED on.
FIRST_CHOICE_SEED = 18_000
TRACE_FRAMES = 60


def choose_by(checkpoint, records: Records, episodes: int, processes: int) -> dict:
    """Return success rates (all and per task) of closed-loop episodes and the error of free-running traces (0..255)."""
    cases = closed_loop(checkpoint, range(FIRST_CHOICE_SEED, FIRST_CHOICE_SEED + episodes), processes)
    tasks = sorted({case["task"] for case in cases})
    rates = {f"success_rate_{t}": mean_success([c for c in cases if c["task"] == t]) for t in tasks}
    asked = far_questions(records)
    with get_context("spawn").Pool(1) as pool:
        error = pool.apply(trace_error, (str(checkpoint), asked))
    return {"success_rate": mean_success(cases), **rates, "trace_error": error}


def closed_loop(checkpoint, numbers, processes: int) -> list[dict]:
    """Run the tables of these numbers in the plain simulator, shared out to processes; cases in their order."""
    if max(numbers) >= FIRST_TEST_SEED:
        raise ValueError("a checkpoint must not be chosen by test seeds")
    shares = [list(numbers)[i::processes] for i in range(processes)]
    with get_context("spawn").Pool(processes) as pool:
        done = pool.starmap(_episodes, [(str(checkpoint), share) for share in shares if share])
    return sorted((case for cases in done for case in cases), key=lambda case: case["seed"])


def _episodes(checkpoint: str, numbers: list[int]) -> list[dict]:
    from ..sim.world import World

    reasoner, world, cases = open_reasoner(checkpoint, resize), World(), []
    for number in numbers:
        layout = sample_layout(number)
        cases.append(run_episode(reasoner, world, layout, instruction(layout)))
    world.renderer.close()
    return cases


Question = tuple[np.ndarray, np.ndarray, str, np.ndarray]


def far_questions(records: Records, count: int = TRACE_FRAMES) -> list[Question]:
    """Return pictures and states far from their object, what was asked there, and the true traces (5, 2) in 0..255."""
    rows = np.flatnonzero(records.far[:, 0] & (records.trace_length[:, 0] > 0))
    rows = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    said = [records.instructions[records.instruction[row, 0]] for row in rows]
    shown = zip(records.image[rows], records.state[rows], said, records.trace[rows, 0].astype(float))
    return list(shown)


def trace_error(checkpoint, asked: list[Question]) -> float:
    """Return the mean distance of points [0..255] of traces that the model says by itself from the true ones.

    Teacher-forced losses look well long before a model looks at the picture; this does not.
    """
    reasoner, errors = open_reasoner(checkpoint, resize), []
    for image, state, text, true in asked:
        reasoner.forget()
        answer = reasoner.plan(frame_of(image, state), text)
        said = answer.trace.points if isinstance(answer, Plan) else np.full_like(true, 128.0)
        errors.append(np.linalg.norm(said - true, axis=1).mean())
    return float(np.mean(errors)) if errors else float("nan")


def frame_of(image: np.ndarray, state: np.ndarray) -> Frame:
    """Return a recorded picture (h, w, 3) and state (7,) as a frame; what was not recorded is zero."""
    robot = RobotState(0, np.zeros(7), np.zeros(7), pose_of(state), float(state[6]))
    return Frame(0, {"front": image}, np.zeros(image.shape[:2], np.float32), np.eye(3), np.eye(4), robot)
