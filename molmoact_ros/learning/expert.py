"""The scripted expert: from any state of tip, gripper and objects, the next steps of a task of the tabletop.

It looks at the present state alone, so every visited frame, however it was reached, gets a clean answer.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..sim.layout import PUSH_LINE_M, SIDES, Layout, Task, place_beside

DT_S = 0.2
HORIZON = 8
STEP_M, CAREFUL_STEP_M, PUSH_STEP_M = 0.05, 0.035, 0.025
HOVER_M, LIFT_Z_M, CARRY_M, RETREAT_M = 0.10, 0.25, 0.07, 0.10
ALIGNED_M, SETTLED_M = 0.010, 0.012
FINGER_STEP_M, OPEN_WIDTH_M = 0.02, 0.08
# Above the surface that the object is released on; a bowl is dropped into.
RELEASE_GAP_M, BOWL_RELEASE_M = 0.004, 0.045
PLACED_M, PLACED_Z_M = 0.030, 0.012
BOWL_INSIDE_M = 0.045
PUSH_Z_M, BEHIND_M, LANE_M = 0.018, 0.085, 0.014
# From the tip of closed fingers to the near side of what they push.
FINGERS_HALF_M = 0.011


@dataclass(frozen=True)
class Scene:
    """What the expert looks at, all [m].

    tip (3,); width: gripper opening; target (3,): centre of the object to handle; grip: its size between the fingers;
    half_z: half its height; place (3,): where its centre is to go, None where nothing is placed; drop: height above
    the place at which it is let go; kind and side (-1, 0, 1) of the task.
    """

    kind: str
    tip: np.ndarray
    width: float
    target: np.ndarray
    grip: float
    half_z: float
    place: np.ndarray | None = None
    drop: float = RELEASE_GAP_M
    side: float = 0.0

    @property
    def held(self) -> bool:
        """Whether the object is between closed fingers."""
        close = np.linalg.norm(self.target[:2] - self.tip[:2]) < 0.022 and abs(self.target[2] - self.tip[2]) < 0.025
        return bool(self.width < self.grip + 0.006 and close)

    @property
    def placed(self) -> bool:
        """Whether the object lies where it is to go, and is not held."""
        if self.place is None or self.held:
            return False
        gap = self.target - self.place
        if self.kind == "bowl":
            return bool(np.linalg.norm(gap[:2]) < BOWL_INSIDE_M and gap[2] < 0.03)
        return bool(np.linalg.norm(gap[:2]) < PLACED_M and abs(gap[2]) < PLACED_Z_M)


def grip_of(item, yaw: float) -> float:
    """Return how far the fingers, which close along y, are apart when they touch an object [m]."""
    if item.shape in ("cube", "brick"):
        return float(2 * (item.half[0] * abs(np.sin(yaw)) + item.half[1] * abs(np.cos(yaw))))
    return float(2 * item.half[1])


def scene_of(layout: Layout, task: Task, objects: dict, yaws: dict, tip, width: float) -> Scene:
    """Return the scene of a task; `objects` and `yaws` by name as they are now."""
    item, target = layout.item(task.target), objects[task.target]
    place, drop = None, RELEASE_GAP_M
    if task.kind == "bowl":
        place, drop = np.array([*layout.bowl, item.half[2] + 0.004]), BOWL_RELEASE_M
    elif task.kind == "stack":
        below = objects[task.reference]
        place = below + [0, 0, layout.item(task.reference).half[2] + item.half[2]]
    elif task.kind == "beside":
        place = np.array([*place_beside(objects[task.reference][:2], task.side), item.half[2]])
    side = SIDES[task.side] if task.side else 0.0
    tip, grip = np.asarray(tip, float), grip_of(item, yaws[task.target])
    return Scene(task.kind, tip, float(width), target, grip, item.half[2], place, drop, side)


@dataclass(frozen=True)
class Move:
    """The point to move to (3,), whether the gripper is open, and the step size [m]."""

    goal: np.ndarray
    opened: bool
    step: float


def next_move(scene: Scene, settled: bool) -> Move:
    """Return what to do next.

    `settled`: the tip has already been at the bottom for a step, so that a lagging arm has arrived before it closes.
    """
    if scene.kind == "push":
        return _push(scene)
    if scene.held:
        return _lift(scene) if scene.place is None else _carry(scene)
    if scene.placed:
        return _retreat(scene)
    return _reach(scene, settled)


def _lift(scene: Scene) -> Move:
    return Move(np.array([*scene.tip[:2], LIFT_Z_M]), False, STEP_M)


def _carry(scene: Scene) -> Move:
    """Take the held object over its place and down; let go at the bottom."""
    tip, place = scene.tip, scene.place
    # The tip may hold the object above or below its centre.
    release_z = place[2] + scene.drop + (tip[2] - scene.target[2])
    offset = np.linalg.norm(tip[:2] - place[:2])
    if offset < ALIGNED_M:
        low = tip[2] < release_z + 0.007
        return Move(np.array([*place[:2], release_z]), low, CAREFUL_STEP_M if tip[2] < release_z + 0.05 else STEP_M)
    above = release_z + CARRY_M
    if offset > 0.05 and tip[2] < above - 0.015:
        return Move(np.array([*tip[:2], above + 0.01]), False, STEP_M)
    height = release_z + CARRY_M * np.clip((offset - ALIGNED_M) / 0.04, 0.25, 1.0)
    return Move(np.array([*place[:2], max(height, tip[2] - 0.02 if offset > 0.03 else height)]), False, STEP_M)


def _retreat(scene: Scene) -> Move:
    """Leave what was placed: open, straight up."""
    z = scene.place[2] + scene.drop + RETREAT_M
    ready = scene.width > scene.grip + 0.015
    return Move(np.array([*scene.tip[:2], z if ready else scene.tip[2]]), True, STEP_M)


def _reach(scene: Scene, settled: bool) -> Move:
    """Go over the object, down, and close."""
    tip, target = scene.tip, scene.target
    offset = np.linalg.norm(tip[:2] - target[:2])
    grasp = np.array([*target[:2], max(target[2] - 0.002, 0.013)])
    low, narrow = tip[2] < grasp[2] + SETTLED_M, scene.width < OPEN_WIDTH_M - 0.01
    if offset < ALIGNED_M + 0.006 * narrow and low:
        return Move(grasp, not (settled or narrow), CAREFUL_STEP_M)
    if scene.width < OPEN_WIDTH_M - 0.015:
        return Move(np.array([*tip[:2], max(tip[2], target[2] + scene.half_z + 0.05)]), True, CAREFUL_STEP_M)
    if offset > 0.03 and tip[2] < target[2] + scene.half_z + 0.04:
        return Move(np.array([*tip[:2], grasp[2] + HOVER_M]), True, STEP_M)
    if offset > ALIGNED_M:
        height = grasp[2] + HOVER_M * np.clip((offset - ALIGNED_M) / 0.03, 0.3, 1.0)
        return Move(np.array([*target[:2], height]), True, STEP_M)
    return Move(grasp, True, CAREFUL_STEP_M)


def _push(scene: Scene) -> Move:
    """Close, go behind the object, down, and along the side until the line."""
    tip, target, side = scene.tip, scene.target, scene.side
    behind = (target[1] - tip[1]) * side
    lateral = abs(tip[0] - target[0])
    if target[1] * side > PUSH_LINE_M:
        return Move(tip.copy(), False, STEP_M)
    low = tip[2] < PUSH_Z_M + 0.03
    if low and behind > 0.0 and lateral < LANE_M * (1 + (behind < 0.06)):
        return Move(np.array([target[0], tip[1] + side * PUSH_STEP_M, PUSH_Z_M]), False, PUSH_STEP_M)
    start = np.array([target[0], target[1] - side * BEHIND_M])
    offset = np.linalg.norm(tip[:2] - start)
    if offset < LANE_M:
        return Move(np.array([*start, PUSH_Z_M]), False, CAREFUL_STEP_M)
    clear = target[2] + scene.half_z + 0.06
    if offset > 0.03 and tip[2] < clear - 0.02:
        return Move(np.array([*tip[:2], clear]), False, STEP_M)
    height = PUSH_Z_M + (clear - PUSH_Z_M) * np.clip((offset - ALIGNED_M) / 0.03, 0.3, 1.0)
    return Move(np.array([*start, height]), False, STEP_M)


def _towards(start, goal, step: float) -> np.ndarray:
    gap = goal - start
    distance = np.linalg.norm(gap)
    return goal.copy() if distance <= step else start + gap * (step / distance)


def act(scene: Scene, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Roll the expert out kinematically: tips (steps, 3) [m] and gripper (steps,) with 1 = open."""
    tips, opens, settled = [], [], scene.tip[2] < max(scene.target[2] - 0.002, 0.013) + SETTLED_M
    for _ in range(steps):
        move = next_move(scene, settled)
        tip = _towards(scene.tip, move.goal, move.step)
        settled = tip[2] < scene.target[2] + SETTLED_M and np.linalg.norm(tip - scene.tip) < 0.004
        scene = _after(scene, tip, move.opened)
        tips.append(tip)
        opens.append(move.opened)
    return np.array(tips), np.array(opens, float)


def _after(scene: Scene, tip, opened: bool) -> Scene:
    """Return the scene one step later, by geometry alone: what is held moves along, what is let go falls."""
    target, held = scene.target, scene.held
    near = np.linalg.norm(target[:2] - tip[:2]) < 0.022 and abs(target[2] - tip[2]) < 0.025
    floor = scene.grip if (near or held) else 0.0
    change = FINGER_STEP_M if opened else -FINGER_STEP_M
    width = float(np.clip(scene.width + change, min(floor, scene.width), OPEN_WIDTH_M))
    if held:
        target = target + (tip - scene.tip)
        if opened and scene.place is not None:
            target = np.array([*target[:2], scene.place[2]])
    elif scene.kind == "push" and tip[2] < target[2] + scene.half_z and abs(tip[0] - target[0]) < 0.03:
        gap = FINGERS_HALF_M + scene.grip / 2
        if 0 < (target[1] - tip[1]) * scene.side < gap:
            target = np.array([target[0], tip[1] + scene.side * gap, target[2]])
    return replace(scene, tip=tip, width=width, target=target)


def path_to_end(scene: Scene, limit: int = 60) -> np.ndarray:
    """Return the tip's way (n, 3) from now until the task is done, the present point first."""
    tips, _ = act(scene, limit)
    path = np.vstack([scene.tip, tips])
    still = np.linalg.norm(np.diff(path, axis=0), axis=1) < 1e-6
    last = np.flatnonzero(~still)
    return path[: last[-1] + 2] if len(last) else path[:1]


def goal_of(scene: Scene) -> np.ndarray | None:
    """Return where the object is to go (3,), None where it is only to be picked up."""
    if scene.kind == "push":
        return np.array([scene.target[0], scene.side * PUSH_LINE_M, scene.target[2]])
    return scene.place
