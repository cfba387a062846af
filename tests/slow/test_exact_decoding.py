"""The bench as a stranger runs it: in closed-loop recordings the accelerated answers are the plain ones, in fewer passes."""

import json

import pytest

from molmoact_ros.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.sim, pytest.mark.timeout(1500)]

MODELS = ["embedded", "random-30m", "v1 text 8x4"]


def test_drafts_save_passes_and_change_no_token(tmp_path):
    report, record = tmp_path / "bench.json", tmp_path / "cycles.npz"
    command = ["bench", "reasoning", "--models", *MODELS, "--modes", "draft_sensor", "--cycles", "12"]
    files = ["--text-cycles", "3", "--record", str(record), "--json", str(report), "--page", str(tmp_path / "page.md")]
    assert main([*command, *files]) == 0
    data = json.loads(report.read_text())
    assert data["summary"]["identical"] is True
    assert {(case["model"], case["backend"]) for case in data["cases"]} >= {
        ("embedded", "torch"), ("embedded", "onnx"), ("random-30m", "torch"), ("random-30m", "onnx"), ("v1 text 8x4", "onnx"),
    }  # fmt: skip
    assert data["summary"]["onnx_vs_torch_tokens_equal"] and data["summary"]["onnx_vs_torch_max_logit_error"] < 1e-3
    # the drafts begin without memories; over a longer run they save more (docs/latency.md)
    ratios = {(c["model"], c["backend"]): c["passes_ratio"] for c in data["cases"] if c["mode"] == "draft_sensor"}
    assert ratios["embedded", "onnx"] > 1.3 and ratios["v1 text 8x4", "onnx"] > 2.0
    assert "v1 text" in (tmp_path / "page.md").read_text()
