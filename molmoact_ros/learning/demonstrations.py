"""Scripted demonstrations: episodes with noise and with the cell's delays, every visited frame labelled by the expert.

The data are not kept in the repository; the seeds are. Seeds from `EVALUATION_SEEDS` up are never used here.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidData
from ..geometry import project
from ..perception.raster import resize
from ..sim.layout import COLOURS, sample_layout
from ..sim.world import HOME_TIP
from ..types import MAX_TRACE_POINTS, TRACE_RANGE
from . import expert

EVALUATION_SEEDS = 20_000
TRAINING_SEEDS = 1_000_000
MODEL_IMAGE = (160, 120)
MAX_STEPS = 34


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
        """Draw delays of 0-0.8 s, replanning every 0.2-0.6 s, tracking lag up to 0.15 s, and noise."""
        noisy = rng.random() < 0.5
        return cls(
            int(rng.integers(0, 5)), int(rng.integers(1, 4)), float(rng.uniform(0, 0.15)),
            float(rng.uniform(0.005, 0.025)) if noisy else 0.0, 0.03 if noisy else 0.0,
        )  # fmt: skip


def trace_points(path, K, T_base_camera, size) -> np.ndarray:
    """Project a way of the tip (n, 3) [m] and pick 5 points evenly in time: (5, 2) in 0..255 (spec section 5)."""
    picked = path[np.linspace(0, len(path) - 1, MAX_TRACE_POINTS).round().astype(int)]
    pixels = project(picked, K, T_base_camera)
    scaled = pixels / (np.array(size) - 1) * (TRACE_RANGE - 1)
    return np.clip(np.rint(scaled), 0, TRACE_RANGE - 1)


def label(frame, cubes: dict, colour: str) -> dict:
    """Return what the model should answer in this state if `colour` were asked for, and where to look (0..1)."""
    tip = frame.robot.T_base_ee[:3, 3]
    scene = expert.Scene(tip, frame.robot.gripper_width_m, cubes[colour])
    tips, opens = expert.act(scene, expert.HORIZON)
    height, width = frame.first_image.shape[:2]
    trace = trace_points(expert.path_to_end(scene), frame.K, frame.T_base_camera, (width, height))
    points = project([cubes[colour], tip], frame.K, frame.T_base_camera) / [width, height]
    far = np.linalg.norm(tip - cubes[colour]) > 0.06
    return {
        "actions": np.column_stack([tips, opens]).astype(np.float32),
        "trace": trace.astype(np.uint8),
        "points": points.astype(np.float32),
        "far": far,
    }


def observation(frame) -> dict:
    """Return the stored part of a frame: small RGB, proprioception (x, y, z, width [m]), depth in mm."""
    depth_mm = resize(frame.depth_m, MODEL_IMAGE) * 1000
    return {
        "image": resize(frame.first_image, MODEL_IMAGE),
        "state": np.append(frame.robot.T_base_ee[:3, 3], frame.robot.gripper_width_m).astype(np.float32),
        "depth_mm": depth_mm.round().astype(np.uint16),
    }


def _start_tip(rng) -> np.ndarray:
    """Half of the episodes start at home, half anywhere above the table."""
    if rng.random() < 0.5:
        return HOME_TIP + rng.normal(0, 0.01, 3)
    return rng.uniform([0.32, -0.25, 0.08], [0.64, 0.25, 0.40])


def _absent(layout) -> str:
    return next(c for c in COLOURS if c not in layout.cubes)


def _alternatives(layout, rng) -> list:
    """Label the frame for its own target and for one of the others, so that only language tells them apart."""
    others = [c for c in layout.cubes if c != layout.target]
    return [layout.target, str(rng.choice(others))]


def episode(world, seed: int):
    """Yield one record per step (0.2 s) of a demonstration; stop soon after the cube is lifted."""
    if EVALUATION_SEEDS <= seed < TRAINING_SEEDS:
        raise InvalidData(f"seed {seed}", "a training seed", "Seeds 20000..999999 are kept for evaluation.")
    rng = np.random.default_rng([seed, 7])
    layout, how = sample_layout(seed), Disturbance.sample(rng)
    world.reset(layout, _start_tip(rng))
    active = pending = None
    ready_at, lifted = 0, 0
    for step in range(MAX_STEPS):
        frame, cubes = world.frame(), world.cubes()
        colours = _alternatives(layout, rng)
        labels = [label(frame, cubes, c) for c in colours]
        yield observation(frame), colours, labels, _absent(layout)
        if pending is None and (active is None or step - active[0] >= how.replan_steps):
            pending = (step, labels[0]["actions"])
            ready_at = step + (how.delay_steps if active else 0)
        if pending is not None and step >= ready_at:
            active, pending = pending, None
        row = active[1][min(step - active[0], expert.HORIZON - 1)]
        goal = row[:3] + rng.normal(0, how.noise_m, 3) * (rng.random() < 0.3)
        goal[2] = max(goal[2], 0.015)
        opened = (row[3] > 0.5) != (rng.random() < how.flip)
        world.step(goal, opened, expert.DT_S, how.lag_s)
        lifted += world.cubes()[layout.target][2] > 0.18
        if lifted > 2:
            return


def snapshot(world, seed: int):
    """Return one record of a fresh table with the open gripper anywhere: as many layouts as frames, for the eye."""
    rng = np.random.default_rng([seed, 11])
    layout = sample_layout(seed)
    tip = _start_tip(rng)
    if rng.random() < 0.4:
        x, y, _ = layout.cubes[layout.target]
        tip = np.array([x, y, 0.0]) + [*rng.normal(0, 0.04, 2), rng.uniform(0.05, 0.18)]
    world.reset(layout, tip)
    frame, cubes = world.frame(), world.cubes()
    colours = _alternatives(layout, rng)
    return observation(frame), colours, [label(frame, cubes, c) for c in colours], _absent(layout)
