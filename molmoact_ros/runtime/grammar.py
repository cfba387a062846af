"""The form of an answer as a small automaton over token ids: a row of slots, each with the values that it may hold.

A slot is one thing that a reader would point at: a depth code, a coordinate, an action value, a piece of fixed wording.
Its values are spelled with one or more tokens. Where only one token may come nothing has to be decided. Slots have
names, the same in every form of answer, so that what was said before (or what a sensor sees) can be offered as a draft:
("depth", i), ("u", i), ("v", i), ("action", row, column).
"""

from dataclasses import dataclass
from typing import Hashable, Mapping, Sequence

import numpy as np

from ..errors import InvalidData

SECTIONS = ("depth", "trace", "action")
State = tuple[int, tuple[int, ...]]


class Options:
    """The values of a slot and how each is spelled; no spelling is the beginning of another."""

    def __init__(self, spellings: Mapping[Hashable, Sequence[int]]):
        self.spellings = {value: tuple(map(int, ids)) for value, ids in spellings.items()}
        self.value_of = {ids: value for value, ids in self.spellings.items()}
        following: dict[tuple, set] = {}
        for ids in self.spellings.values():
            for i, token in enumerate(ids):
                following.setdefault(ids[:i], set()).add(token)
        self.allowed = {path: np.array(sorted(tokens)) for path, tokens in following.items()}
        self._toward: dict[tuple, int] = {}

    def toward(self, path: tuple, value: Hashable) -> int | None:
        """Return the token after `path` that spells `value`, or the nearest number that begins so; None: neither."""
        key = path, value
        if key not in self._toward:
            spelling = self.spellings.get(value, ())
            if not spelling or spelling[: len(path)] != path:
                spelling = self._nearest(path, value)
            self._toward[key] = spelling[len(path)] if spelling else None
        return self._toward[key]

    def _nearest(self, path: tuple, value: Hashable) -> tuple | None:
        wanted = _number(value)
        if wanted is None:
            return None
        fits = [(abs(_number(v) - wanted), ids) for v, ids in self.spellings.items() if ids[: len(path)] == path]
        return min(fits, default=(0, None))[1]


def finite(scores: np.ndarray) -> np.ndarray:
    """Return scores as they are. InvalidData when one is NaN or infinite."""
    if not np.isfinite(scores).all():
        raise InvalidData("scores that are NaN or infinite", "numbers", "Use another precision, or check the weights.")
    return scores


def _number(value: Hashable) -> int | None:
    """Return the number that a value is or begins with, None for another kind."""
    first = value[0] if isinstance(value, tuple) and value else value
    return int(first) if isinstance(first, (int, np.integer)) else None


@dataclass(frozen=True)
class Slot:
    """One slot. after: value -> number of the slot that follows, where it is not the next one.

    lone: a token that is chosen only when it outweighs all the others together, as it was trained.
    """

    name: Hashable
    section: str
    options: Options
    after: Mapping[Hashable, int] | None = None
    lone: int | None = None


class Grammar:
    """Slots in order; the answer ends after the last one, or where a value leads to `end`."""

    def __init__(self, slots: Sequence[Slot]):
        self.slots, self.end = tuple(slots), len(slots)
        self.start: State = (0, ())
        ids = [tokens for slot in self.slots for tokens in slot.options.allowed.values()]
        self.legal = np.unique(np.concatenate(ids))

    def allowed(self, state: State) -> np.ndarray:
        """Return the ids that may come; empty after the end."""
        slot, path = state
        return np.array([], int) if slot >= self.end else self.slots[slot].options.allowed[path]

    def next(self, state: State, token: int) -> State:
        """Return the state after an allowed token."""
        slot, value = self.completed(state, token)
        if slot is None:
            return state[0], (*state[1], int(token))
        return (slot.after or {}).get(value, state[0] + 1), ()

    def completed(self, state: State, token: int) -> tuple[Slot | None, Hashable]:
        """Return the slot that a token completes and its value; (None, None) when there is more of it to come."""
        slot = self.slots[state[0]]
        value = slot.options.value_of.get((*state[1], int(token)))
        return (None, None) if value is None else (slot, value)

    def section(self, state: State) -> str:
        """Return which part of the answer is being written."""
        return self.slots[min(state[0], self.end - 1)].section

    def choose(self, state: State, scores: np.ndarray, columns: np.ndarray) -> int:
        """Return the allowed token with the highest score; scores (n,) by column, columns as of `columns_of`.

        InvalidData for scores that are no numbers: the largest of them would be whatever comes first.
        """
        ids, lone = self.allowed(state), self.slots[state[0]].lone
        found = finite(scores[columns[ids]])
        if lone is not None:
            others = found[ids != lone].astype(float)
            peak = others.max()
            if float(scores[columns[lone]]) > peak + np.log(np.exp(others - peak).sum()):
                return lone
            ids, found = ids[ids != lone], others
        return int(ids[np.argmax(found)])

    def name(self, state: State) -> Hashable:
        """Return the name of the slot that is being written."""
        return self.slots[state[0]].name

    def toward(self, state: State, value: Hashable) -> int | None:
        """Return the token that leads to a value of this slot, or near it; None when none does."""
        return self.slots[state[0]].options.toward(state[1], value)
