"""States of a task, put together instead of played: before, near, holding, over the place, let go, pushing."""

import numpy as np

from ..sim.layout import PUSH_LINE_M
from ..sim.world import HOME_TIP
from . import expert

_STAGES = {
    "pick": (("away", 0.5), ("near", 0.3), ("held", 0.2)),
    "push": (("away", 0.4), ("behind", 0.25), ("pushing", 0.35)),
    "place": (("away", 0.22), ("near", 0.2), ("held", 0.3), ("over", 0.18), ("left", 0.1)),
}
_OPEN_M = expert.OPEN_WIDTH_M


def put_into_state(world, layout, rng) -> None:
    """Lay out the table and put arm, fingers and object into a random state of its task, without any dynamics."""
    task = layout.task
    stages = _STAGES.get(task.kind, _STAGES["place"])
    stage = str(rng.choice([s for s, _ in stages], p=[p for _, p in stages]))
    item = layout.item(task.target)
    rest = np.array([item.x, item.y, item.half[2]])
    yaw = item.yaw
    if stage in ("held", "over") and rng.random() < 0.7:
        yaw = np.pi / 2 * rng.integers(4) + rng.normal(0, 0.1)
    grip = expert.grip_of(item, yaw)
    place, drop = _place(world, layout)
    tip, width, position = _STATES[stage](layout, rng, rest, grip, place, drop)
    world.reset(layout, tip, float(np.clip(width, 0.0, _OPEN_M)))
    if position is not None:
        world.put(task.target, position, yaw)


def _place(world, layout):
    """Return where the object goes and from what height above it is let go; None where it goes nowhere."""
    world.reset(layout)
    scene = expert.scene_of(layout, layout.task, world.objects(), world.yaws(), HOME_TIP, _OPEN_M)
    return scene.place, scene.drop


def _away(layout, rng, rest, grip, place, drop):
    width = _OPEN_M if rng.random() < 0.8 else rng.uniform(0, _OPEN_M)
    if layout.task.kind == "push" and rng.random() < 0.6:
        width = rng.uniform(0, 0.01)
    if rng.random() < 0.35:
        return HOME_TIP + rng.normal(0, 0.012, 3), width, None
    return rng.uniform([0.32, -0.28, 0.09], [0.64, 0.28, 0.40]), width, None


def _near(layout, rng, rest, grip, place, drop):
    if rng.random() < 0.35:
        at = rest + [*rng.normal(0, 0.004, 2), rng.uniform(-0.003, 0.025)]
        width = _OPEN_M if rng.random() < 0.5 else rng.uniform(grip, _OPEN_M)
        return _above_table(at), width, None
    at = rest + [*rng.normal(0, 0.035, 2), rng.uniform(0.01, 0.15)]
    beside = np.linalg.norm(at[:2] - rest[:2]) > 0.015
    at[2] = max(at[2], rest[2] * 2 + 0.03) if beside else at[2]
    return _above_table(at), _OPEN_M - abs(rng.normal(0, 0.001)), None


def _held(layout, rng, rest, grip, place, drop):
    low, high = [0.34, -0.27, 0.09], [0.64, 0.27, 0.28]
    tip = rng.uniform(low, high)
    if rng.random() < 0.3:
        tip = np.array([*rest[:2] + rng.normal(0, 0.006, 2), rng.uniform(0.018, 0.2)])
    return tip, grip + rng.uniform(0, 0.0015), _in_fingers(tip, rng)


def _over(layout, rng, rest, grip, place, drop):
    spread = 0.004 if rng.random() < 0.4 else 0.02
    tip = place + [*rng.normal(0, spread, 2), drop + rng.uniform(0.0, 0.09)]
    far = np.linalg.norm(tip[:2] - place[:2]) > 0.012
    tip[2] = max(tip[2], place[2] + drop + 0.02) if far else tip[2]
    return tip, grip + rng.uniform(0, 0.0015), _in_fingers(tip, rng)


def _left(layout, rng, rest, grip, place, drop):
    """The object lies where it goes; the fingers open, or are on their way up."""
    inside = 0.02 if layout.task.kind == "bowl" else 0.005
    position = place + [*rng.normal(0, inside, 2), 0.0]
    tip = np.array([*place[:2] + rng.normal(0, 0.006, 2), place[2] + drop + rng.uniform(0, 0.12)])
    return tip, rng.uniform(grip + 0.007, _OPEN_M), position


def _behind(layout, rng, rest, grip, place, drop):
    side = expert.SIDES[layout.task.side]
    tip = np.array([rest[0], rest[1] - side * expert.BEHIND_M, 0.0]) + [
        *rng.normal(0, 0.012, 2),
        rng.uniform(0.018, 0.12),
    ]
    return tip, rng.uniform(0, 0.006), None


def _pushing(layout, rng, rest, grip, place, drop):
    side = expert.SIDES[layout.task.side]
    way = max(PUSH_LINE_M - rest[1] * side, 0.02)
    position = rest + [rng.normal(0, 0.006), side * rng.uniform(0, way + 0.01), 0.0]
    gap = expert.FINGERS_HALF_M + grip / 2 + abs(rng.normal(0, 0.012))
    tip = np.array([position[0] + rng.normal(0, 0.006), position[1] - side * gap, rng.uniform(0.015, 0.03)])
    return tip, rng.uniform(0, 0.004), position


def _in_fingers(tip, rng):
    return tip + [rng.normal(0, 0.004), rng.normal(0, 0.001), rng.uniform(-0.003, 0.007)]


def _above_table(point):
    return np.array([*point[:2], max(point[2], 0.013)])


_STATES = {
    "away": _away, "near": _near, "held": _held, "over": _over, "left": _left, "behind": _behind, "pushing": _pushing,
}  # fmt: skip
