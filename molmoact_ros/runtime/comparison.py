"""Hold one backend against another: the same tokens, and how far apart the scores are."""

from typing import Sequence

import numpy as np

from .contract import Question, Runtime
from .decode import Hints, Pace, decode

# Scores may differ by this much in fp32: two orders of summation, no more.
TOLERANCE = 1e-3


def compare(reference: Runtime, other: Runtime, grammar, questions: Sequence[Question]) -> dict:
    """Ask both; return prompts, tokens, tokens_equal and max_logit_error over the ids that both score.

    Scores are compared after every token of the reference's own answer.
    """
    shared = np.intersect1d(reference.legal, other.legal)
    columns = [np.searchsorted(runtime.legal, shared) for runtime in (reference, other)]
    equal, error, tokens = True, 0.0, 0
    for question in questions:
        answers = [decode(runtime, grammar, question, Hints(), Pace(0)) for runtime in (reference, other)]
        equal &= np.array_equal(answers[0].ids, answers[1].ids)
        scores = [runtime.prefill(question, answers[0].ids)[:, c] for runtime, c in zip((reference, other), columns)]
        error = max(error, float(np.abs(scores[0] - scores[1]).max()))
        tokens += len(answers[0].ids)
    return {"prompts": len(questions), "tokens": tokens, "tokens_equal": bool(equal), "max_logit_error": error}
