"""The one decode loop: greedy under the grammar, with as few passes as the answer allows.

Every pass reads a window of tokens: what has been decided, what the grammar forces or the caller gives, and then
guesses from a draft. The scores of the window say at once how far the guesses are what the model would have said; the
first that is not is replaced by the model's own token and the rest is forgotten. So the answer is that of one token
per pass, whatever the draft. (Leviathan et al., 2023, arXiv 2211.17192, for greedy decoding.)
"""

import time
from collections import ChainMap
from dataclasses import dataclass, field
from typing import Callable, Hashable, Mapping, Protocol

import numpy as np

from ..latency import SectionCost
from .contract import Question, Runtime, columns_of

VISION, PREFILL = "vision", "prefill"


class Draft(Protocol):
    """Guesses about an answer."""

    def guess(self, name: Hashable, said: Mapping) -> tuple[Hashable, float] | None:
        """Return a value for a slot after the values `said` before it and how likely it is, 0..1; None without one."""


@dataclass(frozen=True)
class Known:
    """A draft of fixed values, by slot name."""

    values: Mapping

    def guess(self, name: Hashable, said: Mapping) -> tuple[Hashable, float] | None:
        """Return the value as certain: whoever gave it trusts it."""
        return (self.values[name], 1.0) if name in self.values else None


@dataclass(frozen=True)
class Pace:
    """How far ahead one pass guesses: at most `window` tokens, while all guesses so far hold with chance `least`.

    More tokens cost a CPU more time, a GPU hardly any. forced: whether tokens without a choice ride along; False is
    one token per pass, the yardstick.
    """

    window: int = 16
    least: float = 0.1
    forced: bool = True


PLAIN = Pace(window=0, forced=False)


@dataclass(frozen=True)
class Hints:
    """What is known of an answer: `given` values, by slot name, are taken as they are; those of `draft` are checked."""

    given: Mapping = field(default_factory=dict)
    draft: Draft = Known({})


@dataclass(frozen=True)
class Answer:
    """Token ids of one answer, its values by slot, and what it cost; `complete`: the model brought it to its end."""

    ids: np.ndarray
    values: Mapping
    complete: bool
    costs: Mapping[str, SectionCost]

    @property
    def passes(self) -> int:
        """Passes through the decoder, the one that read the question included."""
        return sum(cost.passes for name, cost in self.costs.items() if name != VISION)

    @property
    def latency_ms(self) -> dict[str, float]:
        """Time per section [ms]."""
        return {name: cost.ms for name, cost in self.costs.items()}


def decode(
    runtime: Runtime,
    grammar,
    question: Question,
    hints: Hints = Hints(),
    pace: Pace = Pace(),
    stop: Callable[[], bool] = lambda: False,
    heard: Callable[[Mapping], None] | None = None,
) -> Answer | None:
    """Read the question and answer it; None when `stop()` became true between two passes.

    heard: called after every pass with the values that are known so far, by slot name.
    """
    return _Decoding(runtime, grammar, question, hints, pace).run(stop, heard)


class _Decoding:
    """One answer in the making: `ids` are decided, the last `waiting` of them have not been read yet."""

    def __init__(self, runtime, grammar, question, hints, pace):
        self.runtime, self.grammar, self.question, self.hints, self.pace = runtime, grammar, question, hints, pace
        self.columns = columns_of(runtime.legal, runtime.config.decoder.vocab_size)
        self.ids: list[int] = []
        self.values: dict = {}
        self.state, self.waiting = grammar.start, 0
        self.asked, self.looks = False, runtime.vision_passes
        self.costs: dict[str, SectionCost] = {}

    def run(self, stop, heard) -> Answer | None:
        """Pass until the grammar ends."""
        self._advance()
        while not self._ended(self.state):
            if stop():
                return None
            self._pass()
            self._advance()
            if heard is not None:
                heard(self.values)
        eos = getattr(self.grammar, "eos", None)
        return Answer(np.array(self.ids, np.int64), self.values, eos in (None, *self.ids[-1:]), self.costs)

    def _advance(self) -> None:
        """Write down everything that needs no decision: none of it costs a pass."""
        while self.pace.forced and (token := self._certain(self.state)) is not None:
            self._decide(token)

    def _certain(self, state) -> int | None:
        """Return the token that is given or that alone may come; None where there is a choice, or nothing more."""
        allowed = self.grammar.allowed(state)
        if len(allowed) < 2:
            return int(allowed[0]) if len(allowed) else None
        value = self.hints.given.get(self.grammar.name(state))
        return None if value is None else self.grammar.toward(state, value)

    def _ended(self, state) -> bool:
        return len(self.grammar.allowed(state)) == 0

    def _window(self) -> tuple[list[int], set[int]]:
        """Return tokens that may follow those decided, and which of them are guesses."""
        window, guesses, state, sure = [], set(), self.state, 1.0
        said = ChainMap({}, self.values)
        while len(window) < self.pace.window and not self._ended(state):
            token = self._certain(state)
            if token is None:
                value, chance = self.hints.draft.guess(self.grammar.name(state), said) or (None, 0.0)
                token = None if value is None else self.grammar.toward(state, value)
                if not state[1] or not guesses:  # the tokens of one value are right or wrong together
                    sure *= chance
                if token is None or guesses and sure < self.pace.least:
                    break
                guesses.add(len(window))
            window.append(token)
            slot, value = self.grammar.completed(state, token)
            if slot is not None:
                said[slot.name] = value
            state = self.grammar.next(state, token)
        return window, guesses

    def _pass(self) -> None:
        """Read one window and decide as many tokens as its scores allow, at least one."""
        section, began = self.grammar.section(self.state), time.perf_counter()
        window, guesses = self._window()
        scores = self._scores(np.array(self.ids[len(self.ids) - self.waiting :] + window, np.int64))
        rows = scores[-1 - len(window) :]
        self.waiting, accepted, checked = 0, 0, 0
        for i, token in enumerate(window):
            chosen = self._chosen(rows[i]) if i in guesses else token
            checked += i in guesses
            self._decide(chosen)
            if chosen != token:
                self.runtime.rewind(self.runtime.length - len(window) + i)
                self.waiting = 1
                break
            accepted += i in guesses
        else:
            self.waiting = 0
            if not self._ended(self.state):
                self._decide(self._chosen(rows[-1]))
        ms = (time.perf_counter() - began) * 1e3
        first = PREFILL not in self.costs
        self._charge(section, 0.0 if first else ms, passes=not first, drafted=checked, accepted=accepted)
        if first:
            self._charge_question(ms)

    def _chosen(self, scores) -> int:
        token = self._certain(self.state)
        return self.grammar.choose(self.state, scores, self.columns) if token is None else token

    def _decide(self, token: int) -> None:
        self._charge(self.grammar.section(self.state), tokens=1)
        self.ids.append(token)
        slot, value = self.grammar.completed(self.state, token)
        if slot is not None:
            self.values[slot.name] = value
        self.state = self.grammar.next(self.state, token)
        self.waiting += 1

    def _scores(self, tokens) -> np.ndarray:
        if self.asked:
            return self.runtime.extend(tokens)
        self.asked = True
        return self.runtime.prefill(self.question, tokens)

    def _charge_question(self, ms: float) -> None:
        looks = self.runtime.vision_passes - self.looks
        vision_ms = self.runtime.vision_ms if looks else 0.0
        self._charge(VISION, vision_ms, passes=looks)
        self._charge(PREFILL, ms - vision_ms, tokens=len(self.question.ids), passes=1)

    def _charge(self, section: str, ms: float = 0.0, **counts) -> None:
        self.costs[section] = self.costs.get(section, SectionCost()).plus(SectionCost(ms, **counts))
