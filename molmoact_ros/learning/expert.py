"""The scripted expert: from any state of tip, gripper and cube, the next steps of "pick up that cube".

It looks at the present state alone, so every visited frame, however it was reached, gets a clean answer.
"""

from dataclasses import dataclass

import numpy as np

DT_S = 0.2
HORIZON = 8
STEP_M = 0.05
DESCENT_M = 0.035
GRASP_Z_M = 0.02
HOVER_Z_M = 0.10
LIFT_Z_M = 0.25
ALIGNED_M = 0.010
SETTLED_M = 0.012
HELD_WIDTH_M = 0.046
FINGER_STEP_M = 0.02
OPEN_WIDTH_M = 0.08


@dataclass(frozen=True)
class Scene:
    """What the expert looks at: tip (3,), gripper opening, the target cube's centre (3,), all [m]."""

    tip: np.ndarray
    width_m: float
    cube: np.ndarray

    @property
    def held(self) -> bool:
        """Whether the cube is between closed fingers."""
        return self.width_m < HELD_WIDTH_M and np.linalg.norm(self.cube - self.tip) < 0.025


def _towards(start, goal, step: float) -> np.ndarray:
    gap = goal - start
    distance = np.linalg.norm(gap)
    return goal.copy() if distance <= step else start + gap * (step / distance)


def next_goal(scene: Scene, settled: bool) -> tuple[np.ndarray, bool, float]:
    """Return the point to move to, whether the gripper is open, and the step size [m].

    `settled`: the tip has already been at the bottom for a step, so that a lagging arm has arrived before it closes.
    """
    tip, cube = scene.tip, scene.cube
    if scene.held:
        return np.array([*tip[:2], LIFT_Z_M]), False, STEP_M
    offset = np.linalg.norm(tip[:2] - cube[:2])
    grasp = np.array([*cube[:2], max(GRASP_Z_M, cube[2])])
    low = tip[2] < grasp[2] + SETTLED_M
    if offset < ALIGNED_M + 0.006 * (scene.width_m < OPEN_WIDTH_M - 0.01) and low:
        return grasp, not (settled or scene.width_m < OPEN_WIDTH_M - 0.01), DESCENT_M
    if scene.width_m < OPEN_WIDTH_M - 0.015:
        return np.array([*tip[:2], max(tip[2], grasp[2] + 0.05)]), True, DESCENT_M
    if offset > 0.03 and tip[2] < grasp[2] + 0.06:
        return np.array([*tip[:2], grasp[2] + HOVER_Z_M]), True, STEP_M
    if offset > ALIGNED_M:
        height = grasp[2] + HOVER_Z_M * np.clip((offset - ALIGNED_M) / 0.03, 0.3, 1.0)
        return np.array([*cube[:2], height]), True, STEP_M
    return grasp, True, DESCENT_M


def act(scene: Scene, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Roll the expert out kinematically: tips (steps, 3) [m] and gripper (steps,) with 1 = open."""
    tips, opens, settled = [], [], scene.tip[2] < scene.cube[2] + SETTLED_M
    for _ in range(steps):
        goal, opened, step = next_goal(scene, settled)
        tip = _towards(scene.tip, goal, step)
        settled = tip[2] < scene.cube[2] + SETTLED_M and np.linalg.norm(tip - scene.tip) < 0.004
        change = FINGER_STEP_M if opened else -FINGER_STEP_M
        floor = 2 * 0.02 if np.linalg.norm(scene.cube - tip) < 0.025 else 0.0
        width = float(np.clip(scene.width_m + change, floor, OPEN_WIDTH_M))
        cube = scene.cube + (tip - scene.tip) if scene.held else scene.cube
        scene = Scene(tip, width, cube)
        tips.append(tip)
        opens.append(opened)
    return np.array(tips), np.array(opens, float)


def path_to_end(scene: Scene, limit: int = 40) -> np.ndarray:
    """Return the tip's way (n, 3) from now until the cube is lifted, the present point first."""
    tips, _ = act(scene, limit)
    path = np.vstack([scene.tip, tips])
    still = np.linalg.norm(np.diff(path, axis=0), axis=1) < 1e-6
    last = np.flatnonzero(~still)
    return path[: last[-1] + 2] if len(last) else path[:1]
