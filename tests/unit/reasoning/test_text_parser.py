"""Strict reading of answers: what is accepted, and the name of each refusal."""

import json
import time

import numpy as np
import pytest
from answer_texts import (
    GOLDEN,
    golden_texts,
    vocabulary,
    written_action,
    written_answer,
    written_depth,
    written_trace,
)

from molmoact_ros.errors import InvalidData
from molmoact_ros.reasoning.action_codec import BIN_CENTRES
from molmoact_ros.reasoning.action_tokens import ACTION_STRINGS
from molmoact_ros.reasoning.answer import Malformed, ParsedAnswer, depth_grid
from molmoact_ros.reasoning.norm_stats import action_statistics
from molmoact_ros.reasoning.reference_parser import parse_action, parse_depth, parse_trace
from molmoact_ros.reasoning.text_parser import AnswerForm, read_text

RNG = np.random.default_rng(3)
CODES, POINTS, BINS = RNG.integers(0, 128, 100), RNG.integers(0, 256, (5, 2)), RNG.integers(0, 255, (8, 7))
FORM, SINGLE, ACTION_ONLY = AnswerForm(8, 7), AnswerForm(1, 7), AnswerForm(1, 7, depth=False, trace=False)
GOOD = written_answer(CODES, POINTS, BINS)
DEPTH, TRACE, ACTION = written_depth(CODES), written_trace(POINTS), written_action(BINS)
ITEM = ACTION_STRINGS[3]


def read(text, form=FORM):
    answer = read_text(text, form)
    assert isinstance(answer, ParsedAnswer), answer
    return answer


def refusal(text, form=FORM) -> str:
    answer = read_text(text, form)
    assert isinstance(answer, Malformed) and answer.detail.isascii()
    return answer.name


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        written_answer(CODES, POINTS, BINS, quote="'"),
        written_answer(CODES, POINTS, BINS, quote='"', gap=""),
        f"{DEPTH}{TRACE}{ACTION}",
        f"{DEPTH} any words, (even these) {TRACE} and then {ACTION} the end",
        f"{DEPTH} The trajectory of the left end effector is {TRACE}, the right {written_trace(POINTS, '')}. {ACTION}",
        f"{DEPTH} [ [ {'] , ['.join(f'{u} , {v}' for u, v in POINTS)} ] ] {ACTION}",
    ],
)
def test_wording_spaces_and_quotes_do_not_matter(text):
    answer = read(text)
    np.testing.assert_array_equal(answer.codes, CODES.reshape(10, 10))
    np.testing.assert_array_equal(answer.trace, POINTS)
    np.testing.assert_array_equal(answer.bins, BINS)


def test_one_row_may_go_without_the_outer_brackets():
    for bare in (True, False):
        answer = read(written_answer(CODES, POINTS[:1], BINS[:1], bare=bare), SINGLE)
        np.testing.assert_array_equal(answer.bins, BINS[:1])


def test_sections_that_the_form_leaves_out_are_none():
    answer = read(written_action(BINS[:1]), ACTION_ONLY)
    assert answer.codes is None and answer.trace is None
    assert read(f"{TRACE} {ACTION}", AnswerForm(8, 7, depth=False)).codes is None
    assert read(f"{DEPTH} {ACTION}", AnswerForm(8, 7, trace=False)).trace is None


def test_both_strings_of_the_last_bin_are_read():
    rows = f"[{ACTION_STRINGS[254]}, {ACTION_STRINGS[255]}]"
    assert read(rows, AnswerForm(1, 2, depth=False, trace=False)).bins.tolist() == [[254, 254]]


def without(part: str, instead: str = "") -> str:
    assert part in GOOD
    return GOOD.replace(part, instead, 1)


def trace_of(text: str) -> str:
    return without(TRACE, text)


REFUSED = {
    "no_depth": ["", "words", without(DEPTH), without("<DEPTH_START>"), without("<DEPTH_END>")],
    "depth_repeated": [without("<DEPTH_START>", "<DEPTH_START>" * 2), without(DEPTH, DEPTH * 2)],
    "depth_form": [without("<DEPTH_START>", "<DEPTH_START> "), GOOD + "<DEPTH_1>", "<DEPTH_1>" + GOOD],
    "depth_code": [
        without("<DEPTH_START>", "<DEPTH_START>" + wrong)
        for wrong in ("<DEPTH_128>", "<DEPTH_-1>", "<DEPTH_007>", "<DEPTH_>", "<>", "<DEPTH_1> ", "<DEPTH_١>", "<a[b]>")
    ],
    "depth_count": [without("<DEPTH_START>", "<DEPTH_START><DEPTH_1>"), without(DEPTH, "<DEPTH_START><DEPTH_END>")],
    "no_trace": [trace_of("nothing"), f"{DEPTH} {ACTION} {TRACE}", DEPTH],
    "trace_form": [
        trace_of(text)
        for text in (
            "[12, 34]",
            "[[1, 2, 3]]",
            "[[1, 2],]",
            "[[1], [2]]",
            "[[1.0, 2]]",
            "[[01, 2]]",
            "[['1', '2']]",
            "[[1, ]]",
            "[[[1, 2]]]",
            "[[1, 2] [3, 4]]",
            "[[1 2, 3]]",
        )
    ],
    "trace_length": [trace_of("[]"), trace_of("[[]]"), trace_of(written_trace([(1, 2)] * 6))],
    "trace_range": [trace_of("[[256, 1]]"), trace_of("[[-1, 1]]"), trace_of(f"[[1, {'9' * 5000}]]")],
    "traces_differ": [trace_of(TRACE + " [[1, 2]]")],
    "no_action": [without(ACTION), f"{DEPTH} {TRACE}"],
    "action_form": [without("], [" + ACTION.split("], [")[1], "] [" + ACTION.split("], [")[1])],
    "action_shape": [
        without(ACTION, written_action(BINS[:7])),
        without(ACTION, written_action(BINS[:1], bare=True)),
        without(ACTION, written_action(BINS[:, :6])),
        without(ACTION, written_action(np.vstack([BINS, BINS[:1]]))),
    ],
    "action_unknown_item": [
        without(ACTION, ACTION[:2] + wrong + ACTION[2:])
        for wrong in ("x", "Ġ", "'", ITEM, "\N{ZERO WIDTH SPACE}", "\t", "é", "\ud800")
    ],
    "unclosed_brackets": [GOOD[:-3], GOOD.rstrip("].") + "]", GOOD + "["],
    "unexpected_brackets": [GOOD + "]", GOOD + "[1]", GOOD + ACTION, "[x]" + GOOD, GOOD + "[]"],
    "unexpected_characters": [GOOD + "é", "\xa0" + GOOD, trace_of("\u2028" + TRACE), GOOD + "\ud800"],
}


@pytest.mark.parametrize("name, text", [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_each_fault_has_its_name(name, text):
    assert refusal(text) == name


def test_what_the_form_leaves_out_must_not_come():
    assert refusal(GOOD, AnswerForm(8, 7, depth=False)) == "unexpected_depth"
    assert refusal(f"{DEPTH} {TRACE} {ACTION}", AnswerForm(8, 7, trace=False)) == "unexpected_trace"


@pytest.mark.parametrize("length", range(0, len(GOOD) - 2, 7))
def test_a_truncated_answer_is_refused(length):
    assert refusal(GOOD[:length])


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "]" * 100_000, "[[" + "1, " * 50_000, "[[" + "] ," * 50_000, "[" + "[1, 2], " * 20_000]
    + ["[" + " " * 100_000 + "]", "<DEPTH_START>" * 10_000, "<DEPTH_START>" + "<DEPTH_1>" * 10_000, "'" * 100_000]
    + ["[" + "[a]" * 33_000 + "]", "[" + f"[{ITEM}], " * 20_000 + "]", "[[" + "9" * 100_000 + ", 1]]"],
)
@pytest.mark.parametrize("form", [FORM, ACTION_ONLY])
def test_long_texts_are_refused_quickly(text, form):
    started = time.perf_counter()
    assert refusal(text, form) and refusal(DEPTH + text, form)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize("row", golden_texts(), ids=lambda row: row["id"])
def test_golden_texts_read_as_the_reference_does_or_not_at_all(row):
    norm_stats = json.loads((GOLDEN / "text" / "norm_stats.json").read_text())
    key, text = next(iter(norm_stats)), row["text"]
    depths, traces, rows = parse_depth(text), parse_trace(text), parse_action(text, key, norm_stats, vocabulary())
    statistics = action_statistics(norm_stats, key)
    count = max(1, sum(depth.count("<DEPTH_") - 2 for depth in depths))
    form = AnswerForm(max(1, len(rows)), statistics.dims, count, depth=bool(depths), trace=bool(traces))
    answer = read_text(text, form)
    if isinstance(answer, Malformed):
        assert not row["category"].startswith("wellformed") and answer.name
        return
    np.testing.assert_array_equal(statistics.unnormalise(BIN_CENTRES[answer.bins]), rows)
    assert (answer.trace is None) == (not traces) and (answer.codes is None) == (not depths)
    if traces:
        assert answer.trace.tolist() == traces[0]
    if depths:
        assert written_depth(answer.codes.ravel()) == depths[0]


def test_depth_codes_lie_on_the_grid_nearest_to_a_square():
    assert [depth_grid(range(n)).shape for n in (100, 12, 7, 1)] == [(10, 10), (3, 4), (1, 7), (1, 1)]


@pytest.mark.parametrize("sizes", [(0, 7), (8, 0), (8, 7, 0), (8, 7, 100, 0)])
def test_forms_without_content_are_refused(sizes):
    with pytest.raises(InvalidData, match="1 or more"):
        AnswerForm(*sizes)
