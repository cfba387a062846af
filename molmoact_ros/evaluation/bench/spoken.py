"""Let a network with random weights say a given text: it computes every pass, only the scores are exchanged.

No small trained model writes the published form of answers. Passes and their times are real, and so is what changes
from one answer to the next when the texts come from a recording.
"""

from typing import Hashable, Mapping

import numpy as np

from ...runtime.contract import Question, columns_of
from ...types import MAX_TRACE_POINTS


class Spoken:
    """A Runtime around another one, whose scores prefer the given text."""

    def __init__(self, runtime):
        self.runtime, self.name, self.config = runtime, runtime.name, runtime.config
        self.capacity, self.legal = runtime.capacity, runtime.legal
        self._columns = columns_of(runtime.legal, runtime.config.decoder.vocab_size)
        self._text: list[int] = []
        self._read: list[int] = []
        self._asked = 0

    @property
    def length(self) -> int:
        """Tokens that have been read."""
        return self.runtime.length

    @property
    def vision_passes(self) -> int:
        """Pictures or crops that went through the vision tower since the start."""
        return self.runtime.vision_passes

    @property
    def vision_ms(self) -> float:
        """Time of the last look [ms]."""
        return self.runtime.vision_ms

    def say(self, ids) -> None:
        """Prefer these ids (n,) from now on, one after the other."""
        self._text = list(map(int, ids))

    def prefill(self, question: Question, ids) -> np.ndarray:
        """Read the question and answer ids; see the contract."""
        scores = self.runtime.prefill(question, ids)
        self._read, self._asked = list(map(int, ids)), len(question.ids)
        return self._preferred(scores, 0)

    def extend(self, ids) -> np.ndarray:
        """Read answer ids; see the contract."""
        scores, first = self.runtime.extend(ids), len(self._read) + 1
        self._read.extend(map(int, ids))
        return self._preferred(scores, first)

    def rewind(self, length: int) -> None:
        """Forget all tokens from position `length` on."""
        self.runtime.rewind(length)
        del self._read[length - self._asked :]

    def _preferred(self, scores: np.ndarray, first: int) -> np.ndarray:
        """Lift the next id of the text above all others wherever a beginning of the text has been read.

        Row i of the scores is of what follows the first `first + i` ids read. What follows anything but a beginning of
        the text stays as it is: whoever asked will have been refused before.
        """
        scores = np.array(scores)
        for row, count in enumerate(range(first, first + len(scores))):
            if count < len(self._text) and self._read[:count] == self._text[:count]:
                scores[row, self._columns[self._text[count]]] = scores[row].max() + 1.0
        return scores


def said(grammar, ids) -> dict:
    """Return slot name -> value of a whole answer."""
    values, state = {}, grammar.start
    for token in ids:
        slot, value = grammar.completed(state, int(token))
        if slot is not None:
            values[slot.name] = value
        state = grammar.next(state, int(token))
    return values


def spelled(grammar, values: Mapping[Hashable, Hashable]) -> np.ndarray:
    """Return the ids (n,) of an answer with these values; slots that are not named hold their first one."""
    ids, number = [], 0
    while number < grammar.end:
        slot = grammar.slots[number]
        value = values.get(slot.name, next(iter(slot.options.spellings)))
        ids += slot.options.spellings[value]
        number = (slot.after or {}).get(value, number + 1)
    return np.array(ids, np.int64)


def as_text(values: Mapping, dims, constant: Mapping[int, int] = {}) -> dict:
    """Return the values of a compact answer as those of a text: a trace says where it ends, columns are others.

    dims: the text's column of each of the answer's columns. constant: column -> bin of those that the answer lacks.
    """
    texts = {name: int(value) for name, value in values.items() if name[0] in ("depth", "u")}
    for i in range(MAX_TRACE_POINTS):
        texts["v", i] = int(values["v", i]), i == MAX_TRACE_POINTS - 1
    actions = {name: int(value) for name, value in values.items() if name[0] == "action"}
    texts |= {("action", row, dims[column]): value for (_, row, column), value in actions.items()}
    rows = {row for _, row, _ in actions}
    return texts | {("action", row, column): value for row in rows for column, value in constant.items()}
