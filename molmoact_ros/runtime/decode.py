"""The decode loop: greedy under the grammar; forced tokens ride along with the next decision."""

import time
from dataclasses import dataclass

import numpy as np

from .contract import Runtime
from .grammar import Grammar


@dataclass(frozen=True)
class Answer:
    """Token ids of one answer and where the time went [ms]; `empty_trace` = nothing to point at, no action follows."""

    ids: np.ndarray
    empty_trace: bool
    latency_ms: dict
    passes: int


def decode(runtime: Runtime, grammar: Grammar, prompt_ids, image, cancelled=lambda: False, given=()) -> Answer | None:
    """Read the prompt and answer it; None when `cancelled` became true on the way.

    `given` ids are taken as the beginning of the answer; they must be ones that the grammar allows there.
    """
    started = time.perf_counter()
    logits = runtime.prefill(prompt_ids, image)
    latency = {"prefill": (time.perf_counter() - started) * 1e3, "depth": 0.0, "trace": 0.0, "action": 0.0}
    position, passes = grammar.answer_start, 1
    answer, waiting = [], []
    while len(allowed := grammar.allowed(position)):
        if len(answer) < len(given):
            allowed = np.asarray(given[len(answer)])[None]
        if cancelled():
            return None
        if len(allowed) > 1 and waiting:
            began = time.perf_counter()
            first = position - len(waiting)
            logits = runtime.extend(np.array(waiting), np.arange(first, position))
            latency[grammar.section(position)] += (time.perf_counter() - began) * 1e3
            waiting, passes = [], passes + 1
        if len(allowed) > 1 and grammar.is_empty_trace(position, logits):
            return Answer(np.array(answer), True, latency, passes)
        token = int(allowed[0]) if len(allowed) == 1 else int(allowed[np.argmax(logits[allowed])])
        answer.append(token)
        waiting.append(token)
        position += 1
    return Answer(np.array(answer), False, latency, passes)
