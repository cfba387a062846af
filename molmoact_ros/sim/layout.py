"""A table as data: what lies where, how it looks, and what is asked. A number is a table. NumPy alone.

Base frame = world frame, table top = plane z = 0. Left and right are those of the front camera's picture, in which
+y is right. The last seven digits of a number are its seed, what stands before is its axis (`AXES`).
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InvalidData
from .look import Look, sample_look

COLOURS = {
    "red": (0.80, 0.10, 0.10),
    "green": (0.10, 0.60, 0.15),
    "blue": (0.10, 0.20, 0.80),
    "yellow": (0.90, 0.75, 0.08),
    "purple": (0.50, 0.12, 0.62),
}
# Half extents [m]. All fit between the fingers, whose opening is 80 mm, at every yaw.
SHAPES = {"cube": (0.020, 0.020, 0.020), "can": (0.020, 0.020, 0.024), "ball": (0.021, 0.021, 0.021)}
UNSEEN_SHAPES = {"egg": (0.018, 0.024, 0.026), "brick": (0.026, 0.017, 0.014), "post": (0.015, 0.015, 0.032)}
SOLIDS = {"cube": "box", "brick": "box", "can": "cylinder", "post": "cylinder", "ball": "sphere", "egg": "ellipsoid"}
TASKS = ("pick", "bowl", "push", "stack", "beside")
AXES = ("in_distribution", "language", "spatial", "distractors", "unseen_object")
SIDES = {"left": -1.0, "right": 1.0}
SEEDS_PER_AXIS = 10_000_000
# Seeds from here on are never used for training or for choosing a checkpoint.
FIRST_TEST_SEED = 20_000

SLOTS = 6
AREA_MIN, AREA_MAX = np.array([0.39, -0.22]), np.array([0.61, 0.22])
# The spatial axis puts the target into a margin of this width around the area.
MARGIN_M = 0.035
MIN_SEPARATION_M, BOWL_SEPARATION_M = 0.095, 0.125
BESIDE_M = 0.10
# Pushing ends where the object's centre passes this line beside the area.
PUSH_LINE_M = 0.25
_PUSH_ROOM_M, _LANE_M, _BOWL_EXTRA_M = 0.11, 0.07, 0.045
_SIZE_RANGE, _MASS_RANGE_KG, _FRICTION_RANGE = (0.93, 1.07), (0.035, 0.110), (0.9, 1.4)
_SAME_COLOUR = 0.15
_TRIES = 4000


@dataclass(frozen=True)
class Item:
    """One object: shape, pose (x, y [m], yaw [rad]), half extents [m], mass [kg], sliding friction, colour."""

    name: str
    colour: str
    shape: str
    x: float
    y: float
    yaw: float
    half: tuple[float, float, float]
    mass_kg: float
    friction: float
    rgb: tuple[float, float, float]

    @property
    def xy(self) -> np.ndarray:
        """Position on the table (2,) [m]."""
        return np.array([self.x, self.y])


@dataclass(frozen=True)
class Task:
    """What is asked: kind (`TASKS`), names of the object to handle and of the one it goes to, side."""

    kind: str
    target: str
    reference: str = ""
    side: str = ""


@dataclass(frozen=True)
class Layout:
    """One table; `task` is what the suite asks of it."""

    number: int
    items: tuple[Item, ...]
    bowl: tuple[float, float]
    task: Task
    look: Look

    @property
    def axis(self) -> str:
        """Which axis of generalisation the table belongs to."""
        return AXES[self.number // SEEDS_PER_AXIS]

    def item(self, name: str) -> Item:
        """Return the object called `name`. KeyError when it does not lie on the table."""
        return next((i for i in self.items if i.name == name), None) or _missing(name)


def _missing(name: str):
    raise KeyError(name)


def table_number(seed: int, axis: str = AXES[0]) -> int:
    """Return the number of a table; InvalidData when the seed has too many digits or the axis is unknown."""
    if not 0 <= seed < SEEDS_PER_AXIS or axis not in AXES:
        found = f"seed {seed} of axis '{axis}'"
        raise InvalidData(found, f"0..{SEEDS_PER_AXIS - 1} and one of {AXES}", "Correct it.")
    return AXES.index(axis) * SEEDS_PER_AXIS + seed


def sample_layout(number: int, variant: int = 0, kind: str | None = None) -> Layout:
    """Lay out table `number`; `variant` > 0 gives further tables of a training seed, `kind` fixes the task's kind."""
    axis = AXES[number // SEEDS_PER_AXIS] if 0 <= number < len(AXES) * SEEDS_PER_AXIS else "?"
    if axis == "?":
        raise InvalidData(f"table {number}", f"0..{len(AXES) * SEEDS_PER_AXIS - 1}", "Use a number of that range.")
    rng = np.random.default_rng([number % SEEDS_PER_AXIS, variant, AXES.index(axis)])
    kind = kind or TASKS[(number + variant) % len(TASKS)]
    while True:
        layout = _attempt(number, axis, kind, rng)
        if layout is not None:
            return layout


def _attempt(number: int, axis: str, kind: str, rng) -> Layout | None:
    """Draw objects, then places until they have room; None when these objects find none."""
    count = SLOTS if axis == "distractors" else int(rng.integers(3, 5))
    kinds = _draw_kinds(count, kind, axis == "unseen_object", rng)
    for _ in range(_TRIES // 40):
        places = _draw_places(count, axis, rng)
        if places is None:
            continue
        items = tuple(_item(*k, place, rng) for k, place in zip(kinds, places))
        task = _draw_task(kind, items, places[-1], rng)
        if task is not None:
            bowl = (float(places[-1][0]), float(places[-1][1]))
            return Layout(number, items, bowl, task, sample_look(rng))
    return None


def _draw_kinds(count: int, kind: str, unseen: bool, rng) -> list[tuple[str, str]]:
    """Choose colour and shape of each object; the first is the target, the second what it goes to, if anything."""
    colours = [str(c) for c in rng.permutation(list(COLOURS))]
    shapes = [str(rng.choice(list(SHAPES))) for _ in range(count)]
    if kind == "stack":
        shapes[0], shapes[1] = str(rng.choice(["cube", "can"])), "cube"
    if unseen:
        shapes[0] = "brick" if kind == "stack" else str(rng.choice(list(UNSEEN_SHAPES)))
    kinds = list(zip(colours, shapes))
    for i in range(len(kinds), count):
        kinds.append((str(rng.choice(colours)), shapes[i]))
    # Two of one colour: only the shape tells them apart.
    if count > 2 and not unseen and rng.random() < _SAME_COLOUR:
        other = str(rng.choice([s for s in SHAPES if s != shapes[0]]))
        kinds[-1] = (colours[0], other)
    for i in range(2, count):
        while kinds[i] in kinds[:i] or unseen and kinds[i][0] == colours[0]:
            kinds[i] = (str(rng.choice(colours)), str(rng.choice(list(SHAPES))))
    return kinds


def _draw_places(count: int, axis: str, rng) -> np.ndarray | None:
    """Place the objects and, last, the bowl (count + 1, 2); None without room."""
    margin = MARGIN_M if axis == "spatial" else 0.0
    xy = rng.uniform(AREA_MIN - margin, AREA_MAX + margin, (count + 1, 2))
    inside = ((xy >= AREA_MIN) & (xy <= AREA_MAX)).all(1)
    if margin and inside[0]:
        return None
    for i in range(1, count + 1):
        for _ in range(30):
            room = np.full(i, BOWL_SEPARATION_M if i == count else MIN_SEPARATION_M)
            if np.all(np.linalg.norm(xy[:i] - xy[i], axis=1) >= room):
                break
            xy[i] = rng.uniform(AREA_MIN - margin, AREA_MAX + margin)
        else:
            return None
    return xy


def _item(colour: str, shape: str, place, rng) -> Item:
    half = np.array({**SHAPES, **UNSEEN_SHAPES}[shape]) * rng.uniform(*_SIZE_RANGE)
    rgb = np.clip(np.array(COLOURS[colour]) * rng.uniform(0.9, 1.1) + rng.uniform(-0.03, 0.03, 3), 0.02, 0.98)
    # A long side must not lie across the opening of the fingers.
    yaw = rng.uniform(-0.4, 0.4) if shape == "brick" else rng.uniform(-np.pi, np.pi)
    mass, friction = rng.uniform(*_MASS_RANGE_KG), rng.uniform(*_FRICTION_RANGE)
    return Item(
        f"{colour}_{shape}", colour, shape, float(place[0]), float(place[1]), float(yaw), tuple(half.tolist()),
        float(mass), float(friction), tuple(rgb.tolist()),
    )  # fmt: skip


def _draw_task(kind: str, items, bowl, rng) -> Task | None:
    """Choose side and reference of a task for the first object; None when there is no room for it."""
    target = items[0]
    sides = [str(s) for s in rng.permutation(list(SIDES))]
    if kind in ("pick", "bowl"):
        return Task(kind, target.name)
    if kind == "stack":
        return Task(kind, target.name, items[1].name)
    if kind == "push":
        side = next((s for s in sides if room_to_push(items, bowl, target.name, s)), None)
        return side and Task(kind, target.name, "", side)
    side = next((s for s in sides if room_beside(items, bowl, target.name, items[1].name, s)), None)
    return side and Task(kind, target.name, items[1].name, side)


def room_to_push(items, bowl, name: str, side: str) -> bool:
    """Whether an object can be pushed to a side: room for the fingers behind it, nothing in its lane."""
    sign, own = SIDES[side], next(i for i in items if i.name == name)
    if own.y * sign > PUSH_LINE_M - _PUSH_ROOM_M - 0.02:
        return False
    others = [(i.xy, 0.0) for i in items if i.name != name] + [(np.asarray(bowl), _BOWL_EXTRA_M)]
    first, last = -_PUSH_ROOM_M - 0.02, PUSH_LINE_M - own.y * sign + 0.05
    for xy, extra in others:
        across, along = abs(xy[0] - own.x), (xy[1] - own.y) * sign
        if across < _LANE_M + extra and first < along + extra and along - extra < last:
            return False
    return True


def room_beside(items, bowl, name: str, reference: str, side: str) -> bool:
    """Whether the place beside a reference object is free and within the area."""
    spot = place_beside(next(i for i in items if i.name == reference).xy, side)
    if np.any(spot < AREA_MIN - 0.02) or np.any(spot > AREA_MAX + 0.02):
        return False
    free = all(np.linalg.norm(i.xy - spot) > MIN_SEPARATION_M for i in items if i.name not in (name, reference))
    return free and np.linalg.norm(np.asarray(bowl) - spot) > BOWL_SEPARATION_M


def place_beside(reference_xy, side: str) -> np.ndarray:
    """Return the place (2,) [m] on that side of a reference."""
    return np.asarray(reference_xy) + [0.0, SIDES[side] * BESIDE_M]


def asked(layout: Layout, task: Task) -> Layout:
    """Return the same table with another task."""
    return replace(layout, task=task)
