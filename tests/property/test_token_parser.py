"""Whatever tokens a model may say: a whole answer, or a refusal with a name. Never a motion from garbage."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.reasoning.answer import Malformed
from molmoact_ros.reasoning.token_parser import parse
from molmoact_ros.reasoning.vocabulary import answer_ids, depth_ids
from molmoact_ros.runtime.contract import TokenLayout

LAYOUT = TokenLayout(("cube", "red"))
RNG = np.random.default_rng(1)
GOOD = np.concatenate(
    [
        depth_ids(LAYOUT, RNG.integers(0, 128, (10, 10))),
        answer_ids(LAYOUT, RNG.integers(0, 256, (5, 2)), RNG.integers(0, 255, (8, 4))),
    ]
)


def _outcome(ids):
    parts = parse(LAYOUT, ids, 4)
    if isinstance(parts, Malformed):
        assert parts.name and parts.detail
        return None
    return parts


@given(st.lists(st.integers(-5, LAYOUT.size + 5), max_size=200))
def test_any_tokens_are_refused_by_name(ids):
    assert _outcome(np.array(ids, np.int64)) is None


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(-5, LAYOUT.size + 5))
def test_one_wrong_token_never_passes_as_another_kind(place, token):
    ids = GOOD.copy()
    ids[place] = token
    parts = _outcome(ids)
    if parts is not None:
        assert parts.codes.shape == (10, 10) and 0 <= parts.codes.min() and parts.codes.max() < 128
        assert parts.bins.shape == (8, 4) and 0 <= parts.bins.min() and parts.bins.max() < 255
        assert 1 <= len(parts.trace) <= 5 and parts.trace.min() >= 0 and parts.trace.max() < 256


@given(st.integers(0, len(GOOD) - 1))
def test_a_truncated_answer_is_refused(length):
    assert _outcome(GOOD[:length]) is None
