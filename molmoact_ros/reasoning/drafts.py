"""Guess what the model will say, from what it said before and what the sensor sees now. Wrong guesses cost time alone.

A depth code: what the model said the last times when the sensor, the code before and the code above were the same; it
is a habit of the model, not of the scene, and is learned while the cell runs. An action value: the last chunk moved on
in time, plus the step that the model took in the same situation, or as far off as the row before was. A trace: the
last one.
"""

from collections import Counter
from typing import Hashable, Mapping

import numpy as np

from ..runtime.decode import Answer

# Guesses that were right so far, of so many, before anything is known about a section.
_PRIOR = {"depth": (2.0, 4.0), "trace": (1.0, 3.0), "action": (2.0, 3.0)}
# Old experience counts less: the scene changes.
_KEPT = 0.9
_MOST_HABITS = 200_000


class Drafts:
    """Guesses for one reasoner; `begin` before an answer, `learn` after it. See runtime.decode.Draft."""

    def __init__(self, columns: int = 10):
        self._columns = columns
        self._habits: dict[tuple, Counter] = {}
        self._rates = {section: list(counts) for section, counts in _PRIOR.items()}
        self._before: Mapping = {}
        self._seen: Mapping = {}
        self._moved: Mapping = {}

    def begin(self, seen: Mapping, before: Mapping, moved: np.ndarray | None) -> None:
        """Take what is known: the sensor's depth values, the last answer's values, its action bins moved on in time.

        seen and before map slot names to values, moved is (rows, dims); each may be empty or None.
        """
        self._seen, self._before = seen, before
        self._moved = {} if moved is None else {("action", *at): int(value) for at, value in np.ndenumerate(moved)}

    def value(self, name: Hashable, said: Mapping) -> Hashable | None:
        """Return a guess for one slot, after what was said (or guessed) before it; None where there is none."""
        kind = name[0] if isinstance(name, tuple) else None
        for key in self._keys(name, said):
            if key in self._habits:
                return self._habits[key].most_common(1)[0][0] + self._base(name, said)
        if kind == "depth":
            return self._seen.get(name, self._before.get(name))
        if kind != "action":
            return self._before.get(name)
        above = ("action", name[1] - 1, name[2])
        if name not in self._moved or above not in said:
            return self._moved.get(name)
        return self._moved[name] + said[above] - self._moved[above]

    def rate(self, section: str) -> float:
        """Return the share of checked guesses of a section that were right lately."""
        right, all_ = self._rates.get(section, (1.0, 2.0))
        return right / all_

    def learn(self, answer: Answer) -> None:
        """Remember an answer: what was said in which situation, and how good the guesses were."""
        for section, cost in answer.costs.items():
            if section in self._rates and cost.drafted:
                right, all_ = self._rates[section]
                self._rates[section] = [_KEPT * right + cost.accepted, _KEPT * all_ + cost.drafted]
        if len(self._habits) > _MOST_HABITS:
            self._habits.clear()
        for name, value in answer.values.items():
            for key in self._keys(name, answer.values):
                self._habits.setdefault(key, Counter())[value - self._base(name, answer.values)] += 1

    def _keys(self, name: Hashable, said: Mapping) -> list[tuple]:
        """Return the situations that a slot is in, the most particular first; none where habits do not help."""
        if not isinstance(name, tuple) or name[0] not in ("depth", "action"):
            return []
        if name[0] == "depth":
            i = name[1]
            left, up = said.get(("depth", i - 1)), said.get(("depth", i - self._columns))
            seen = self._seen.get(name)
            return [("depth", i, seen, left, up), ("depth", i, seen, left), ("depth", i, left), ("depth", i, seen)]
        _, row, column = name
        above, higher = ("action", row - 1, column), ("action", row - 2, column)
        if above not in said or name not in self._moved:
            return []
        step = self._moved[name] - self._moved[above]
        last = said[above] - said[higher] if higher in said else None
        return [("action", column, step, last)]

    def _base(self, name: tuple, said: Mapping) -> int:
        """Return what a habit is counted from: for actions the row above."""
        return said[("action", name[1] - 1, name[2])] if name[0] == "action" else 0
