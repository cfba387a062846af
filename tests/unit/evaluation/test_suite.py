"""Which tables a suite asks for, and that an interrupted run goes on."""

import argparse

import pytest

from molmoact_ros.errors import ConfigError
from molmoact_ros.evaluation import html_report, suite
from molmoact_ros.evaluation.pictures import encode_jpeg
from molmoact_ros.evaluation.report import suite_summary
from molmoact_ros.evaluation.workers import question, strip
from molmoact_ros.sim.layout import AXES, TASKS, sample_layout, table_number


def options(*given):
    parser = argparse.ArgumentParser()
    suite.add_arguments(parser)
    return parser.parse_args(given)


def test_seeds_follow_one_another_and_axes_have_their_own_tables():
    assert suite.numbers(options("--episodes", "3")) == [20_000, 20_001, 20_002]
    found = suite.numbers(options("--episodes", "2", "--axis", "all", "--seed", "20007"))
    assert found == [table_number(seed, axis) for axis in AXES for seed in (20_007, 20_008)]


def test_only_some_tasks():
    found = suite.numbers(options("--episodes", "4", "--tasks", "stack,push"))
    assert {TASKS[n % len(TASKS)] for n in found} == {"stack", "push"} and len(found) == 4
    with pytest.raises(ConfigError, match="--tasks fold"):
        suite.numbers(options("--tasks", "fold"))


def test_the_pick_suite_asks_every_table_to_pick():
    for number in range(20_000, 20_010):
        layout, sentence = question(number, pick=True)
        assert layout.task.kind == "pick" and sentence.startswith("pick up the")
        assert question(number, pick=False)[0] == sample_layout(number)


def test_an_interrupted_run_goes_on_with_the_same_settings_only(tmp_path, capsys):
    first = suite.Kept(options("--json", str(tmp_path / "out.json")))
    first.cases.append({"seed": 1})
    first.save()
    assert suite.Kept(options("--json", str(tmp_path / "out.json"))).cases == [{"seed": 1}]
    assert "going on after 1" in capsys.readouterr().out
    assert suite.Kept(options("--json", str(tmp_path / "out.json"), "--seed", "20005")).cases == []
    first.drop()
    assert suite.Kept(options("--json", str(tmp_path / "out.json"))).cases == []


def test_a_strip_has_the_first_and_the_last_picture():
    for count in (1, 2, 8, 40):
        chosen = strip([str(i) for i in range(count)])
        assert chosen[0] == "0" and chosen[-1] == str(count - 1) and len(chosen) == min(8, count)


def test_the_page_shows_rates_gaps_and_failures(tmp_path):
    import numpy as np

    case = {
        "seed": 20_000, "axis": "in_distribution", "task": "pick", "instruction": "pick up the <red> cube",
        "success": True, "reached": True, "wrong_object": "", "plan_ms": [50.0], "plans": 9, "category": "",
        "min_distance_m": 0.01,
    }  # fmt: skip
    picture = encode_jpeg(np.zeros((180, 240, 3), np.uint8))
    failed = {**case, "axis": "spatial", "success": False, "category": "dropped", "pictures": [picture] * 12}
    cases = [case, failed, {**failed, "min_distance_m": None, "pictures": []}]
    html_report.write(tmp_path / "out.html", suite_summary(cases), cases, video=True)
    text = (tmp_path / "out.html").read_text()
    assert "100.0 points" in text and "dropped" in text and text.count("data:image/jpeg") == 8
    assert "&lt;red&gt;" in text and (tmp_path / "out" / "20000.mp4").stat().st_size > 0
