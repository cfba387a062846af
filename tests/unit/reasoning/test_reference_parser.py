"""The released model's reading of answers: all golden texts, and its oddities one by one."""

import shutil

import pytest
from answer_texts import GOLDEN, vocabulary

from molmoact_ros.evaluation.parity.texts import run
from molmoact_ros.reasoning.reference_parser import parse_action, parse_depth, parse_trace

STATS = {"k": {"action": {"q01": [-1.0, 0.0, 0.0], "q99": [1.0, 2.0, 1.0]}}}
FIRST, MIDDLE, LAST = "â½Ĺ", "Ý¥", "ðŁİĳ"
LOWEST, HIGHEST = -0.996078431372549, 0.996078431372549


def action(text):
    return parse_action(text, "k", STATS, vocabulary())


def test_every_golden_case_agrees():
    cases = list(run(GOLDEN, vocabulary()))
    assert {case.group for case in cases} == {"text", "action_tokens"}
    assert [case for case in cases if not case.passed] == []
    assert max(case.errors.get("action", 0.0) for case in cases) < 1e-6


def test_a_changed_number_a_changed_text_and_a_missing_error_are_found(tmp_path):
    shutil.copytree(GOLDEN / "text", tmp_path / "text")
    for name in ("cases.jsonl", "stats_cases.jsonl"):
        path = tmp_path / "text" / name
        path.chmod(0o644)
        path.write_text(path.read_text(encoding="utf-8").replace("ValueError", "KeyError"), encoding="utf-8")
    wrong = [case for case in run(tmp_path, vocabulary()) if not case.passed]
    assert wrong and all("instead of" in case.detail for case in wrong)
    narrow = {string: id + 1 for string, id in vocabulary().items()}
    assert any(case.errors.get("action", 0) > 1e-3 and not case.passed for case in run(GOLDEN, narrow))


def test_a_case_that_cannot_be_computed_does_not_stop_the_rest():
    cases = list(run(GOLDEN, {}))
    assert any(case.detail.startswith("KeyError") for case in cases) and any(case.passed for case in cases)


def test_a_folder_without_texts_has_no_cases(tmp_path):
    assert list(run(tmp_path, vocabulary())) == []


def test_depth_sections_are_not_looked_into():
    assert parse_depth("x<DEPTH_START>\nany [1, 2]<DEPTH_END><DEPTH_START>") == ["<DEPTH_START>\nany [1, 2]<DEPTH_END>"]


@pytest.mark.parametrize(
    "text, traces",
    [
        ("[12, 34]", [[[12, 34]]]),
        ("[[1, 2], []]", [[[1, 2]]]),
        ("[[1, 2], [ ]]", []),
        ("[[1, 2], [3]]", []),
        ("[[1, 2], [3, 4", [[[1, 2]]]),
        ("[['1', \"2.50\"], [-0.0, 1e1]]", [[[1, 2.5], [0, 10]]]),
        ("[[٣٤, 1]] [[1., 2]] [[0x1, 2]]", [[[34, 1]]]),
        ("[[['1\n', 2]]]", [[[1, 2]]]),
        ("[] [[]] [", []),
    ],
)
def test_oddities_of_the_trace(text, traces):
    found = parse_trace(text)
    assert found == traces
    assert [type(n) for t in found for p in t for n in p] == [type(n) for t in traces for p in t for n in p]


@pytest.mark.parametrize(
    "text, rows",
    [
        (f"[{FIRST}, {MIDDLE}, {LAST}]", [[LOWEST, 1.0, HIGHEST]]),
        (f"['{FIRST}', \"{MIDDLE}\", {LAST}]", [[LOWEST, 1.0, HIGHEST]]),
        (f"[[{MIDDLE}, {MIDDLE}, {MIDDLE}], [{MIDDLE}, {MIDDLE}]]", [[0.0, 1.0, 0.0]]),
        (f"[{MIDDLE}, never, {MIDDLE}]", [[0.0, 1.0 + HIGHEST, 0.0]]),
        (f"[{MIDDLE}, qqzzyyxx, ]", [[0.0, 1.0 + LOWEST, LOWEST]]),
        ("[é, 1, 1]", [[HIGHEST, 1.0 + HIGHEST, HIGHEST]]),
        ("[٣, 1, 2] [a, b, c]", []),
    ],
)
def test_oddities_of_the_action(text, rows):
    assert action(text) == [pytest.approx(row, abs=1e-9) for row in rows]


def test_statistics_come_before_the_text():
    with pytest.raises(ValueError, match="unnorm_key"):
        parse_action(None, "other", STATS, vocabulary())
    with pytest.raises(TypeError):
        parse_action(None, "k", STATS, vocabulary())
