"""Scripted demonstrations: episodes with noise and with the cell's delays, every visited frame labelled by the expert.

And snapshots: single frames in a state of the task that is put together, each of a fresh table. The data are not kept
in the repository; the seeds are.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidData
from ..geometry import project
from ..perception.raster import resize
from ..sim.language import GENERIC, canonical, noun_of, sole_of_its_colour
from ..sim.layout import FIRST_TEST_SEED, sample_layout
from ..sim.world import HOME_TIP
from ..types import MAX_TRACE_POINTS, TRACE_RANGE
from . import expert
from .other_tasks import absent_task, on_table, other_task
from .states import put_into_state

LABELS = 3
ABSENT_SHARE = 0.06
MODEL_IMAGE, CAMERA = (160, 120), "front"
MAX_STEPS = 46
FAR_M = 0.05


@dataclass(frozen=True)
class Disturbance:
    """What makes a demonstration unlike its script; drawn once per episode from the ranges seen in the running cell."""

    delay_steps: int
    replan_steps: int
    lag_s: float
    noise_m: float
    flip: float

    @classmethod
    def sample(cls, rng) -> "Disturbance":
        """Draw delays of 0-0.6 s, replanning every 0.2-0.6 s, tracking lag up to 0.15 s, and noise."""
        noisy = rng.random() < 0.5
        return cls(
            int(rng.integers(0, 4)), int(rng.integers(1, 4)), float(rng.uniform(0, 0.15)),
            float(rng.uniform(0.005, 0.025)) if noisy else 0.0, 0.03 if noisy else 0.0,
        )  # fmt: skip


def require_training_seed(seed: int) -> None:
    """Refuse seeds that are kept for evaluation."""
    if not 0 <= seed < FIRST_TEST_SEED:
        found = f"seed {seed}"
        raise InvalidData(found, f"a training seed below {FIRST_TEST_SEED}", "The others are kept for evaluation.")


def trace_points(path, K, T_base_camera, size) -> np.ndarray:
    """Project a way of the tip (n, 3) [m] and pick 5 points evenly in time: (5, 2) in 0..255 (spec section 5)."""
    picked = path[np.linspace(0, len(path) - 1, MAX_TRACE_POINTS).round().astype(int)]
    pixels = project(picked, K, T_base_camera)
    scaled = pixels / (np.array(size) - 1) * (TRACE_RANGE - 1)
    return np.clip(np.rint(scaled), 0, TRACE_RANGE - 1)


def label(frame, world, task) -> dict | None:
    """Return what the model should answer in this state if `task` were asked: actions, trace, places in the picture.

    None where the way leads out of the picture's half of the world.
    """
    layout, tip = world.table.layout, frame.robot.T_base_ee[:3, 3]
    width = frame.robot.gripper_width_m
    scene = expert.scene_of(layout, task, world.objects(), world.yaws(), tip, width)
    tips, opens = expert.act(scene, expert.HORIZON)
    height_px, width_px = frame.first_image.shape[:2]
    trace = trace_points(expert.path_to_end(scene), frame.K, frame.T_base_camera, (width_px, height_px))
    if not np.isfinite(trace).all():
        return None
    goal = expert.goal_of(scene)
    marks = [scene.target, scene.target if goal is None else goal, tip]
    points = project(marks, frame.K, frame.T_base_camera) / [width_px, height_px]
    if goal is None:
        points[1] = np.nan
    near = goal if scene.held and goal is not None else scene.target
    return {
        "chunk": _rows(tips, opens), "trace": trace.astype(np.uint8), "trace_length": len(trace),
        "points": points.astype(np.float32), "far": np.linalg.norm(tip - near) > FAR_M,
    }  # fmt: skip


def _rows(tips, opens) -> np.ndarray:
    """Return rows of poses (h, 7): the gripper points down throughout."""
    turn = np.tile([np.pi, 0.0, 0.0], (len(tips), 1))
    return np.column_stack([tips, turn, opens]).astype(np.float32)


def nothing() -> dict:
    """Return the label of a question about something that is not there."""
    return {
        "chunk": np.zeros((expert.HORIZON, 7), np.float32), "trace": np.zeros((MAX_TRACE_POINTS, 2), np.uint8),
        "trace_length": 0, "points": np.full((3, 2), np.nan, np.float32), "far": True,
    }  # fmt: skip


def observation(frame) -> dict:
    """Return the stored part of a frame: small RGB, state (7,), depth in mm as the camera sends it."""
    depth_mm = resize(frame.depth_m, MODEL_IMAGE) * 1000
    state = [*frame.robot.T_base_ee[:3, 3], np.pi, 0.0, 0.0, frame.robot.gripper_width_m]
    return {
        "image": resize(frame.first_image, MODEL_IMAGE),
        "state": np.array(state, np.float32),
        "depth_mm": depth_mm.round().astype(np.uint16),
    }


def said(layout, task, rng) -> str:
    """Say a task in its canonical form; an object is called by a generic word now and then, where its colour does."""

    def phrase(name: str) -> str:
        plain = sole_of_its_colour(layout, name) and rng.random() < 0.25
        return f"{layout.item(name).colour} {GENERIC[0] if plain else noun_of(layout, name)}"

    return canonical(task, phrase)


def record(world, frame, task, rng) -> dict | None:
    """Return what is seen in `frame` with LABELS labels: the task's own, and what else could be asked of the picture.

    None where the task's own label has no answer.
    """
    layout = world.table.layout
    sentences, labels = [said(layout, task, rng)], [label(frame, world, task)]
    if labels[0] is None:
        return None
    while len(labels) < LABELS:
        if rng.random() < ABSENT_SHARE:
            labels.append(nothing())
            sentences.append(absent_task(layout, rng))
            continue
        other = other_task(layout, task, world, rng)
        found = label(frame, world, other)
        if found is None:
            continue
        labels.append(found)
        sentences.append(said(layout, other, rng))
    packed = {key: np.stack([np.asarray(one[key]) for one in labels]) for key in labels[0]}
    return {**observation(frame), **packed, "instruction": sentences}


def _start_tip(rng) -> np.ndarray:
    """Half of the episodes start at home, half anywhere above the table."""
    if rng.random() < 0.5:
        return HOME_TIP + rng.normal(0, 0.01, 3)
    return rng.uniform([0.32, -0.28, 0.10], [0.64, 0.28, 0.40])


def demonstrated(frame, one: dict) -> np.ndarray:
    """Return the expert's rows (h, 7) for a record."""
    return one["chunk"][0]


def episode(world, seed: int, variant: int = 1, act=demonstrated):
    """Yield one record per step (0.2 s) of an episode; stop soon after nothing moves any more.

    `act(frame, record) -> rows (h, 7) or None` decides what is done, None = go on as before; the expert labels every
    frame all the same, so that a policy is corrected where it went by itself.
    """
    require_training_seed(seed)
    rng = np.random.default_rng([seed, variant, 7])
    layout, how = sample_layout(seed, variant), Disturbance.sample(rng)
    world.reset(layout, _start_tip(rng))
    active = pending = None
    ready_at, idle = 0, 0
    for step in range(MAX_STEPS):
        frame = world.frame(int(step * expert.DT_S * 1e9))
        one = record(world, frame, layout.task, rng) if on_table(world.objects()[layout.task.target]) else None
        if one is None:
            return
        yield one
        if pending is None and (active is None or step - active[0] >= how.replan_steps):
            rows = act(frame, one)
            pending = (step, rows) if rows is not None else active
            ready_at = step + (how.delay_steps if active else 0)
        if pending is not None and step >= ready_at:
            active, pending = pending, None
        if active is None:
            continue
        row = active[1][min(step - active[0], expert.HORIZON - 1)]
        goal = row[:3] + rng.normal(0, how.noise_m, 3) * (rng.random() < 0.3)
        goal[2] = max(goal[2], 0.015)
        opened = (row[6] > 0.5) != (rng.random() < how.flip)
        before = world.robot().T_base_ee[:3, 3]
        world.step(goal, opened, expert.DT_S, how.lag_s)
        idle = idle + 1 if np.linalg.norm(world.robot().T_base_ee[:3, 3] - before) < 0.004 else 0
        if idle > 2:
            return


def snapshot(world, seed: int, variant: int) -> dict:
    """Return one record of a fresh table in some state of its task: as many layouts as frames, for the eye."""
    require_training_seed(seed)
    rng = np.random.default_rng([seed, variant, 11])
    layout = sample_layout(seed, variant)
    put_into_state(world, layout, rng)
    return record(world, world.frame(), layout.task, rng)
