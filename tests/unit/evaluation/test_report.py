"""Statistics, summaries and the shape of the JSON file."""

import json
import math

import numpy as np
import pytest

from molmoact_ros.evaluation.meter import StreamMeter
from molmoact_ros.evaluation.report import percentile, suite_summary, wilson, write_report


def test_wilson_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for (k, n), expected in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(k, n) == pytest.approx(expected, abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(20, 20)[1] == 1.0


def test_percentile_ignores_what_is_not_a_number():
    assert percentile([1, math.nan, 3, math.inf], 50) == 2
    assert math.isnan(percentile([], 50))


CASE = {"task": "pick", "axis": "in_distribution", "success": True, "reached": True, "wrong_object": "", "plan_ms": []}


def test_suite_summary():
    cases = [
        {**CASE, "task": "pick", "success": True, "plan_ms": [100, 120]},
        {**CASE, "task": "push", "success": False, "wrong_object": "blue_cube", "plan_ms": [140]},
    ]
    summary = suite_summary(cases)
    assert (summary["episodes"], summary["successes"], summary["reached"], summary["wrong_object"]) == (2, 1, 2, 1)
    assert summary["success_rate"] == 0.5 and summary["plan_ms_p50"] == 120
    assert summary["ci95_low"] < 0.5 < summary["ci95_high"]
    assert summary["success_rate_pick"] == 1.0 and summary["success_rate_push"] == 0.0
    assert summary["success_rate_in_distribution"] == 0.5 and "gap_in_distribution" not in summary


def test_the_gap_of_an_axis_is_against_tables_like_those_of_training():
    near = [{**CASE, "success": True}] * 3
    far = [{**CASE, "axis": "spatial", "success": i == 0} for i in range(4)]
    summary = suite_summary(near + far)
    assert summary["gap_spatial"] == pytest.approx(0.75) and summary["ci95_low_spatial"] < 0.25
    assert suite_summary(far + near)["gap_spatial"] == pytest.approx(0.75)
    assert not any(key.startswith("gap") for key in suite_summary(far + [{**CASE, "axis": "language"}]))


def test_report_file_is_strict_json(tmp_path):
    write_report(tmp_path / "runs" / "out.json", {"rate": np.float32(0.5), "bad": math.nan}, [{"seed": np.int64(3)}])
    report = json.loads((tmp_path / "runs" / "out.json").read_text())
    assert report["summary"] == {"rate": 0.5, "bad": None} and report["cases"] == [{"seed": 3}]
    assert {"versions", "cpu", "cores", "gpu", "date", "python", "git_revision"} <= set(report["environment"])


def test_meter_rates_and_ages():
    meter = StreamMeter(window_s=1.0)
    for k in range(101):
        meter.add(5.0 + 0.01 * k, age_ms=float(k))
    assert meter.mean_hz == pytest.approx(100)
    assert meter.live_hz(6.0) == pytest.approx(100, rel=0.03)
    assert meter.live_hz(8.0) == 0.0
    assert meter.age_ms(99) == pytest.approx(99)
    meter.reset()
    assert meter.count == 0 and math.isnan(meter.mean_hz) and meter.live_hz(9.0) == 0.0
