"""The form of an answer as a small automaton: at every place, the ids that may come.

Depth brackets and codes, a trace of 1-5 points, an action chunk. A place with one id is forced and needs no decision.
"""

from dataclasses import dataclass, field

import numpy as np

from ..types import MAX_TRACE_POINTS

_TRACE_LENGTH = 2 + 2 * MAX_TRACE_POINTS


@dataclass(frozen=True)
class Grammar:
    """Answers of an embedded model; `layout` is its TokenLayout, `actions` the number of action tokens of a chunk."""

    layout: object
    actions: int
    answer_start: int
    _numbers: dict = field(default_factory=dict, compare=False)

    @property
    def trace_position(self) -> int:
        """Position of TRACE_START, the same with and without a depth section."""
        return self.answer_start + self.layout.depth_count + 2

    def allowed(self, position: int) -> np.ndarray:
        """Return the ids that may stand at `position` of the sequence; empty after the end."""
        t, offset = self.layout, position - self.answer_start
        if offset < t.depth_count + 2:
            return self._depth(offset)
        offset -= t.depth_count + 2
        if offset < _TRACE_LENGTH:
            return self._trace(offset)
        offset -= _TRACE_LENGTH
        if offset == 0:
            return np.array([t.action_start])
        if offset <= self.actions:
            return self._range(t.bin_0, t.bins)
        return np.array([t.eos]) if offset == self.actions + 1 else np.array([], int)

    def section(self, position: int) -> str:
        """Return which part of the answer stands at `position`: depth, trace or action."""
        if position < self.trace_position:
            return "depth"
        return "trace" if position < self.trace_position + _TRACE_LENGTH else "action"

    def _range(self, first: int, count: int) -> np.ndarray:
        if first not in self._numbers:
            self._numbers[first] = np.arange(first, first + count)
        return self._numbers[first]

    def _depth(self, offset: int) -> np.ndarray:
        t = self.layout
        if offset == 0:
            return np.array([t.depth_start])
        return np.array([t.depth_end]) if offset == t.depth_count + 1 else self._range(t.depth_0, t.depth_codes)

    def _trace(self, offset: int) -> np.ndarray:
        t = self.layout
        if offset == 0:
            return np.array([t.trace_start])
        if offset == 1 + 2 * MAX_TRACE_POINTS:
            return np.array([t.trace_end])
        return self._range(t.coordinate_0, t.coordinates)

    def is_empty_trace(self, position: int, logits) -> bool:
        """Whether the model closes the trace before its first point: the object is not in sight.

        It is one decision against all coordinates together, as it was trained.
        """
        if position != self.trace_position + 1:
            return False
        t = self.layout
        numbers = np.asarray(logits[t.coordinate_0 : t.coordinate_0 + t.coordinates], float)
        peak = numbers.max()
        return float(logits[t.trace_end]) > peak + np.log(np.exp(numbers - peak).sum())
