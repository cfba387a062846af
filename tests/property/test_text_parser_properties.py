"""Whatever text a model writes: a whole answer of the wanted form, or a refusal with a name."""

import random

import numpy as np
import pytest
from answer_texts import golden_texts, written_action, written_answer, written_depth, written_trace
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.reasoning.action_tokens import ACTION_STRINGS, bin_of
from molmoact_ros.reasoning.answer import Malformed, ParsedAnswer
from molmoact_ros.reasoning.text_parser import AnswerForm, read_text

FORMS = [AnswerForm(8, 7), AnswerForm(1, 7), AnswerForm(2, 3, depth_count=4, depth_codes=16)]
FORMS += [AnswerForm(1, 2, depth=False), AnswerForm(2, 2, depth_count=6, trace=False)]
FORMS += [AnswerForm(1, 3, depth=False, trace=False)]
PIECES = [
    "[",
    "]",
    "[[",
    "]]",
    "], [",
    ", ",
    ",",
    " ",
    "'",
    '"',
    "<DEPTH_START>",
    "<DEPTH_END>",
    "<DEPTH_3>",
    "<DEPTH_",
]
PIECES += ["12", "255", "256", "-1", "1.0", "x", "\n", "\xa0", "é", "½", "\ud800", "Ġ", *ACTION_STRINGS[::50]]
MUTANTS_PER_FORM = 1500


def wanted(answer, form: AnswerForm) -> bool:
    """Whether an answer satisfies its form, or is a refusal with a name; anything else fails."""
    if isinstance(answer, Malformed):
        assert answer.name.isidentifier() and answer.detail.isascii()
        return False
    assert isinstance(answer, ParsedAnswer)
    assert answer.bins.shape == (form.horizon, form.dims) and 0 <= answer.bins.min() and answer.bins.max() <= 254
    assert (answer.codes is not None) == form.depth and (answer.trace is not None) == form.trace
    if form.depth:
        assert answer.codes.size == form.depth_count
        assert 0 <= answer.codes.min() and answer.codes.max() < form.depth_codes
    if form.trace:
        assert 1 <= len(answer.trace) <= 5 and answer.trace.shape[1] == 2
        assert 0 <= answer.trace.min() and answer.trace.max() <= 255
    return True


def content(rng, form: AnswerForm):
    """Draw depth codes, trace points and action bins of a form."""
    codes = rng.integers(0, form.depth_codes, form.depth_count)
    points = rng.integers(0, 256, (rng.integers(1, 6), 2))
    return codes, points, rng.integers(0, 255, (form.horizon, form.dims))


def written(form: AnswerForm, codes, points, bins, quote: str = "", gap: str = " ") -> str:
    """Write only the sections of a form, with the wording of the released model."""
    if form.depth and form.trace:
        return written_answer(codes, points, bins, quote=quote, gap=gap)
    parts = [written_depth(codes)] if form.depth else []
    parts += [written_trace(points, gap)] if form.trace else []
    return ". Then ".join([*parts, written_action(bins, quote, gap)])


def mutated(text: str, random_source: random.Random) -> str:
    """Delete, repeat, insert, swap or cut off something, once to four times."""
    for _ in range(random_source.randint(1, 4)):
        first, last = sorted(random_source.randrange(len(text) + 1) for _ in range(2))
        last = min(last, first + random_source.choice((1, 2, 10, 200)))
        piece = random_source.choice(PIECES)
        text = random_source.choice(
            (
                text[:first] + text[last:],
                text[:last] + text[first:],
                text[:first] + piece + text[first:],
                text[:first] + piece + text[last:],
                text[:last] + text[first:last][::-1] + text[last:],
                text[:last],
            )
        )
    return text


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_mutated_answers_are_answers_or_refusals_and_unharmed_ones_are_read_back(number):
    form, rng, random_source = FORMS[number], np.random.default_rng(number), random.Random(number)
    refused = 0
    for _ in range(MUTANTS_PER_FORM):
        codes, points, bins = content(rng, form)
        text = written(form, codes, points, bins, random_source.choice(("", "'", '"')), random_source.choice(("", " ")))
        answer = read_text(text, form)
        assert wanted(answer, form)
        np.testing.assert_array_equal(answer.bins, bins)
        assert answer.trace is None or np.array_equal(answer.trace, points)
        assert answer.codes is None or np.array_equal(answer.codes.ravel(), codes)
        refused += not wanted(read_text(mutated(text, random_source), form), form)
    assert refused > MUTANTS_PER_FORM / 10


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=60), st.sampled_from(FORMS))
def test_pieces_of_answers_never_raise(pieces, form):
    wanted(read_text("".join(pieces), form), form)


@settings(max_examples=1000, deadline=None)
@given(st.text(), st.sampled_from(FORMS))
def test_any_text_is_refused(text, form):
    assert not wanted(read_text(text, form), form)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=6))
def test_unknown_strings_never_become_a_bin(string):
    form = AnswerForm(1, 1, depth=False, trace=False)
    if string not in ACTION_STRINGS:
        assert bin_of(string) is None
    if string.strip(" ").strip("'").strip('"') not in ACTION_STRINGS:
        assert isinstance(read_text(f"[{string}]", form), Malformed)


@pytest.mark.parametrize("form", FORMS)
def test_golden_texts_never_raise_in_any_form(form):
    random_source = random.Random(5)
    for row in golden_texts():
        wanted(read_text(row["text"], form), form)
        wanted(read_text(mutated(row["text"], random_source), form), form)
