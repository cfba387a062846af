"""The grammar of written answers holds exactly what the tokenizer would spell and the strict parser would read."""

import answer_texts
import numpy as np
import pytest

from molmoact_ros.errors import InvalidData
from molmoact_ros.model.tokenizer import load_tokenizer
from molmoact_ros.reasoning.action_codec import BINS
from molmoact_ros.reasoning.action_tokens import ACTION_STRINGS, string_of
from molmoact_ros.reasoning.text_parser import AnswerForm, read_text
from molmoact_ros.runtime.text_grammar import PUBLISHED, FreeText, text_grammar

EOS = 151643


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(answer_texts.ROOT / "models" / "qwen2_tokenizer")


@pytest.fixture(scope="module", params=[(8, 7), (1, 7), (3, 4)], ids=lambda chunk: f"{chunk[0]}x{chunk[1]}")
def chunk(request):
    return request.param


@pytest.fixture(scope="module")
def grammar(tokenizer, chunk):
    return text_grammar(tokenizer.encode, ACTION_STRINGS, chunk, EOS)


def walk(grammar, ids) -> dict:
    """Return the values of an answer; every id must be allowed and the answer whole."""
    values, state = {}, grammar.start
    for token in ids:
        assert token in grammar.allowed(state), (grammar.name(state), token)
        slot, value = grammar.completed(state, token)
        if slot is not None:
            values[slot.name] = value
        state = grammar.next(state, token)
    assert len(grammar.allowed(state)) == 0
    return values


def written(rng, chunk, wording) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    codes, bins = rng.integers(0, 128, 100), rng.integers(0, BINS, chunk)
    points = rng.integers(0, 256, (rng.integers(1, 6), 2))
    rows = [", ".join(map(string_of, row)) for row in bins.tolist()]
    action = f"[{rows[0]}]" if len(rows) == 1 else "[" + ", ".join(f"[{row}]" for row in rows) + "]"
    parts = {"depth": answer_texts.written_depth(codes), "trace": answer_texts.written_trace(points, gap="")}
    return wording.format(**parts, action=action), codes, points, bins


@pytest.mark.parametrize("wording", PUBLISHED)
def test_what_the_tokenizer_spells_is_in_the_grammar(grammar, tokenizer, chunk, wording):
    rng = np.random.default_rng(len(wording))
    for _ in range(25):
        text, codes, points, bins = written(rng, chunk, wording)
        values = walk(grammar, [*tokenizer.encode(text), EOS])
        assert [values["depth", i] for i in range(100)] == codes.tolist()
        assert [[values["u", i], values["v", i][0]] for i in range(len(points))] == points.tolist()
        assert [[values["action", r, c] for c in range(chunk[1])] for r in range(chunk[0])] == bins.tolist()


def test_what_the_grammar_allows_is_read_and_spelled_alike(grammar, tokenizer, chunk):
    rng, form = np.random.default_rng(1), AnswerForm(*chunk)
    for _ in range(40):
        ids, state = [], grammar.start
        while len(allowed := grammar.allowed(state)):
            ids.append(int(rng.choice(allowed)))
            state = grammar.next(state, ids[-1])
        text = tokenizer.decode(ids)
        parts = read_text(text, form)
        assert not hasattr(parts, "name"), parts
        assert tokenizer.encode(text) == ids[:-1] and ids[-1] == EOS


def test_every_token_of_an_answer_is_legal_and_few_are(grammar):
    assert len(grammar.legal) < 500 and EOS in grammar.legal
    state = grammar.start
    while len(allowed := grammar.allowed(state)):
        assert np.isin(allowed, grammar.legal).all()
        state = grammar.next(state, allowed[0])


def test_a_value_is_followed_digit_by_digit_and_then_to_the_nearest(grammar, tokenizer):
    state = next((i, ()) for i, slot in enumerate(grammar.slots) if slot.name == ("u", 1))
    digit = {i: tokenizer.encode(str(i))[0] for i in range(10)}
    assert grammar.toward(state, 153) == digit[1]
    state = grammar.next(state, digit[1])
    assert grammar.toward(state, 153) == digit[5]
    # the model said 14: the nearest to 153 from there is 149
    state = grammar.next(state, digit[4])
    assert grammar.toward(state, 153) == digit[9]
    assert grammar.toward(state, "no number") is None


@pytest.mark.parametrize("wording", ["nothing in place", "{depth}{trace}{action}", " a {trace} b {depth} c {action}"])
def test_wordings_without_their_fields_are_refused(tokenizer, wording):
    with pytest.raises(InvalidData, match="in order"):
        text_grammar(tokenizer.encode, ACTION_STRINGS, (1, 7), EOS, wordings=(wording,))


def test_free_text_ends_with_its_end_or_after_the_most(tokenizer):
    grammar, state = FreeText(100, 7, 3), (0, ())
    assert len(grammar.allowed(grammar.next(state, 7))) == 0
    for token in (1, 2, 3):
        assert len(grammar.allowed(state)) == 100
        state = grammar.next(state, token)
    assert len(grammar.allowed(state)) == 0
