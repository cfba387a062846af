"""What else could be asked of a table: other tasks on the same picture, and tasks that name what is not there."""

import numpy as np

from ..sim.language import CANONICAL, NOUNS
from ..sim.layout import COLOURS, SIDES, TASKS, Task, room_beside, room_to_push

_SAME_TARGET = 0.3


def other_task(layout, task: Task, world, rng) -> Task:
    """Draw a task that the table has room for; while something is held it is mostly about what is held."""
    held = _held(layout, world)
    for _ in range(100):
        kind = str(rng.choice(TASKS))
        if held and kind == "push":
            continue
        keep = held if held and rng.random() < 0.75 else task.target if rng.random() < _SAME_TARGET else ""
        target = keep or str(rng.choice([i.name for i in layout.items]))
        found = _complete(layout, kind, target, world, rng)
        if found is not None and found != task:
            return found
    return task


def on_table(position) -> bool:
    """Whether an object is where the camera and the arm can reach it."""
    return bool(np.all(np.abs(np.asarray(position)[:2] - [0.5, 0.0]) < [0.22, 0.38]))


def _held(layout, world) -> str:
    """Return the name of the object between the fingers, "" without one."""
    tip, objects = world.robot().T_base_ee[:3, 3], world.objects()
    near = [i.name for i in layout.items if np.linalg.norm(objects[i.name] - tip) < 0.025]
    return near[0] if near and world.width_m < 0.065 else ""


def _complete(layout, kind: str, target: str, world, rng) -> Task | None:
    objects = world.objects()
    if not on_table(objects[target]):
        return None
    side = str(rng.choice(list(SIDES)))
    if kind in ("pick", "bowl"):
        return Task(kind, target)
    if kind == "push":
        still = np.linalg.norm(objects[target][:2] - layout.item(target).xy) < 0.03
        return Task(kind, target, "", side) if still and room_to_push(layout.items, layout.bowl, target, side) else None
    others = [i for i in layout.items if i.name != target and objects[i.name][2] < 0.04 and on_table(objects[i.name])]
    if kind == "stack":
        others = [i for i in others if i.shape == "cube"] if layout.item(target).shape != "ball" else []
    if not others:
        return None
    reference = others[int(rng.integers(len(others)))].name
    if kind == "stack":
        return Task(kind, target, reference)
    free = room_beside(layout.items, layout.bowl, target, reference, side)
    return Task(kind, target, reference, side) if free else None


def absent_task(layout, rng) -> str:
    """Say a canonical sentence about something that does not lie on the table."""
    there = {(i.colour, i.shape) for i in layout.items}
    missing = [(c, s) for c in COLOURS for s in NOUNS if (c, s) not in there]
    colour, shape = missing[int(rng.integers(len(missing)))]
    present = layout.items[int(rng.integers(len(layout.items)))]
    wrong, right = f"the {colour} {shape}", f"the {present.colour} {present.shape}"
    kind = str(rng.choice(TASKS))
    if kind in ("stack", "beside") and rng.random() < 0.5:
        wrong, right = right, wrong
    return CANONICAL[kind].format(t=wrong, r=right, s=str(rng.choice(list(SIDES))))
