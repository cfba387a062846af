"""Run every mode over the same cycles, in turns, and keep what each answer was and cost."""

import time
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

import numpy as np

from ...errors import InvalidData
from ...latency import SectionCost
from ...runtime.decode import PREFILL, VISION
from ...types import Plan, Refusal
from .cycles import DELAY_NS, Cycle
from .modes import Mode, reasoner_of


@dataclass(frozen=True, eq=False)
class Subject:
    """A model on a backend. before: called ahead of every plan with the cycle's number."""

    model: str
    backend: str
    runtime: object
    form: object
    manifest: object
    cycles: Sequence[Cycle]
    before: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, eq=False)
class Outcome:
    """One plan: answer ids (n,), time of the whole plan [ms], passes through the decoder, cost per section.

    cpu_ms: what this process computed meanwhile, on all its threads; other work on the machine does not count.
    """

    ids: np.ndarray
    ms: float
    cpu_ms: float
    passes: int
    costs: Mapping[str, SectionCost]
    plan: Plan | Refusal

    @property
    def question_ms(self) -> float:
        """Time of looking and of reading the question [ms], which no mode changes."""
        return sum(cost.ms for name, cost in self.costs.items() if name in (VISION, PREFILL))

    @property
    def answer_ms(self) -> float:
        """Time of everything else [ms]."""
        return self.ms - self.question_ms


def run(subject: Subject, modes: Sequence[Mode], window: int, sample: int = 0) -> dict[str, dict[int, Outcome]]:
    """Return mode -> number of the cycle -> outcome.

    Modes take turns, each one cycle behind the one before it: so noise of the machine hits all, and no mode finds the
    picture already seen by another. sample: modes without memory run on so many cycles, evenly spread; 0 = all.
    """
    count = len(subject.cycles)
    chosen = set(np.linspace(0, count - 1, min(sample or count, count)).astype(int).tolist())
    reasoners = [reasoner_of(subject, mode, window) for mode in modes]
    # the first plan of a process pays for memory and kernels
    _ask(subject, modes[-1], reasoners[-1], count - 1)
    reasoners[-1].forget()
    outcomes: dict[str, dict[int, Outcome]] = {mode.name: {} for mode in modes}
    for turn in range(count + len(modes) - 1):
        for behind, (mode, reasoner) in enumerate(zip(modes, reasoners)):
            number = turn - behind
            if 0 <= number < count and (mode.remembers or number in chosen):
                outcomes[mode.name][number] = _ask(subject, mode, reasoner, number)
    return outcomes


def _ask(subject: Subject, mode: Mode, reasoner, number: int) -> Outcome:
    cycle, done_ns = subject.cycles[number], None
    before = subject.cycles[number - 1] if number else cycle
    if mode.continues and number and before.seed == cycle.seed:
        # what the arm was doing in the recording is what goes on, not what this mode would have had it do
        subject.before(number - 1)
        reasoner.plan(before.frame, before.instruction, before.sensor)
        done_ns = cycle.frame.stamp_ns + DELAY_NS
    subject.before(number)
    earlier = reasoner.last_answer
    began, busy = time.perf_counter(), time.process_time()
    plan = reasoner.plan(cycle.frame, cycle.instruction, cycle.sensor, done_ns)
    ms, cpu_ms = (time.perf_counter() - began) * 1e3, (time.process_time() - busy) * 1e3
    answer = reasoner.last_answer
    if answer is earlier:
        found = f"no answer of '{subject.model}' to cycle {number} ({plan.name}: {plan.detail})"
        raise InvalidData(found, "an answer to every recorded question", "Record again with this model's words.")
    return Outcome(answer.ids, ms, cpu_ms, answer.passes, answer.costs, plan)
