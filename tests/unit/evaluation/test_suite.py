"""Which tables a suite asks for, and that an interrupted run goes on."""

import argparse

import pytest

from molmoact_ros.errors import ConfigError
from molmoact_ros.evaluation import html_report, suite
from molmoact_ros.evaluation.kept import Kept
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


def test_an_interrupted_run_goes_on_with_the_same_settings_only(tmp_path):
    report, settings = tmp_path / "runs" / "out.json", {"seed": 1, "files": {"a": "b"}, "tasks": None}
    first = Kept(report, settings)
    first.add({"seed": 1, "min_distance_m": float("inf")})
    first.add({"seed": 2})
    # as if the machine had stopped in the middle of a line
    with report.with_name("out.json.partial").open("a") as file:
        file.write('{"seed": 3, "inst')
    second = Kept(report, settings)
    assert [case["seed"] for case in second.cases] == [1, 2]
    second.add({"seed": 3})
    assert [case["seed"] for case in Kept(report, settings).cases] == [1, 2, 3]
    assert Kept(report, {**settings, "seed": 2}).cases == []
    first.drop()
    assert list(report.parent.iterdir()) == [] and Kept(report, settings).cases == []


def test_without_a_report_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = Kept(None, {})
    kept.add({"seed": 1})
    kept.drop()
    assert len(kept.cases) == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given, said",
    [
        (["--workers", "0"], "--workers 0"),
        (["--workers", "many"], "--workers many"),
        (["--episodes", "0"], "--episodes 0"),
        (["--video"], "--video without --html"),
        (["--video", "--html", "a.html", "--graph"], "--video with --graph"),
        (["--tasks", "fold"], "--tasks fold"),
    ],
)
def test_options_that_ask_for_nothing_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        suite.main(options(*given))


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
