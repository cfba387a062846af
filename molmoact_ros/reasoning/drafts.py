"""Guess what the model will say, from what it said before and what the sensor sees now. Wrong guesses cost time alone.

A depth code: what the model said the last times when the sensor, the codes before and above and its own last code
there were alike; a habit of the model, learned while the cell runs. An action value: the last chunk moved on in time,
plus the step that the model took in the same situation. A trace: it begins at the tip, which the camera's pose and the
robot's state give, and goes on where the last one went.
"""

from typing import Hashable, Mapping

import numpy as np

from ..runtime.decode import Answer
from .habits import Habits

# Guesses that were right, of so many, before anything is known about a section.
_PRIOR = {"depth": (2.0, 4.0), "trace": (1.0, 3.0), "action": (2.0, 3.0)}
# Old experience counts less: the scene changes.
_KEPT = 0.9


class Drafts:
    """Guesses for one reasoner; `begin` before an answer, `learn` after it. See runtime.decode.Draft.

    columns: depth codes in a row.
    """

    def __init__(self, columns: int = 10):
        self._columns, self._habits = columns, Habits()
        self._rates = {section: list(counts) for section, counts in _PRIOR.items()}
        self._seen: Mapping = {}
        self._before: Mapping = {}
        self._moved: Mapping = {}

    def begin(self, seen: Mapping, before: Mapping, moved: np.ndarray | None) -> None:
        """Take what is known: the sensor's depth values, what was said before, the last action bins moved on in time.

        seen and before map slot names to values, moved is (rows, dims); each may be empty or None.
        """
        self._seen, self._before = seen, before
        self._moved = {} if moved is None else {("action", *at): int(value) for at, value in np.ndenumerate(moved)}

    def guess(self, name: Hashable, said: Mapping) -> tuple[Hashable, float] | None:
        """Return a value for one slot, after what was said (or guessed) before it, and its chance; None without one."""
        kind = name[0] if isinstance(name, tuple) else None
        if kind == "action":
            return self._action(name, said)
        if kind == "depth":
            habit = self._habits.vote(self._depth_situations(name, said))
            if habit is not None:
                return habit
        value = self._seen.get(name, self._before.get(name))
        return None if value is None else (value, self._rate("depth" if kind == "depth" else "trace"))

    def _action(self, name: tuple, said: Mapping) -> tuple[int, float] | None:
        moved, above = self._moved.get(name), ("action", name[1] - 1, name[2])
        if moved is None:
            return None
        if above not in said:
            return moved, self._rate("action")
        habit = self._habits.vote(self._action_situations(name, said))
        if habit is not None:
            return said[above] + habit[0], habit[1]
        # as far off as the row before
        return moved + said[above] - self._moved[above], self._rate("action")

    def _rate(self, section: str) -> float:
        """Return the share of checked guesses of a section that were right lately."""
        right, checked = self._rates[section]
        return right / checked

    def learn(self, answer: Answer) -> None:
        """Remember an answer: what was said in which situation, and how good the guesses were."""
        for section, cost in answer.costs.items():
            if section in self._rates and cost.drafted:
                right, checked = self._rates[section]
                self._rates[section] = [_KEPT * right + cost.accepted, _KEPT * checked + cost.drafted]
        said = answer.values
        for name, value in said.items():
            kind = name[0] if isinstance(name, tuple) else None
            if kind == "depth":
                self._habits.learn(self._depth_situations(name, said), value)
            elif kind == "action" and name in self._moved and name[1]:
                step = value - said["action", name[1] - 1, name[2]]
                self._habits.learn(self._action_situations(name, said), step)

    def _depth_situations(self, name: tuple, said: Mapping) -> list[tuple]:
        """Return what a depth code may follow from; unknown parts are None, which is a situation of its own."""
        i = name[1]
        seen, before = self._seen.get(name), self._before.get(name)
        left, left2 = said.get(("depth", i - 1)), said.get(("depth", i - 2))
        up = said.get(("depth", i - self._columns))
        return [
            ("here, seen, left, up", i, seen, left, up),
            ("here, seen, left", i, seen, left),
            ("here, left", i, left),
            ("here, seen", i, seen),
            ("here, left, up", i, left, up),
            ("left, up, seen", left, up, seen),
            ("here, before, left", i, before, left),
            ("here, left, left2", i, left, left2),
            ("left, left2, up", left, left2, up),
            ("seen, left", seen, left),
            ("here, before, seen", i, before, seen),
        ]

    def _action_situations(self, name: tuple, said: Mapping) -> list[tuple]:
        """Return what the step from the row above may follow from: the step expected, the last one, those beside it."""
        _, row, column = name
        above, higher = ("action", row - 1, column), ("action", row - 2, column)
        step = self._moved[name] - self._moved[above]
        last = said[above] - said[higher] if higher in said else None
        beside = tuple(said["action", row, c] - said["action", row - 1, c] for c in range(column))
        return [
            ("step, last", column, step, last),
            ("row, step, last", row, column, step, last),
            ("last", column, last),
            ("step", column, step),
            ("beside, last", column, last, beside),
        ]
