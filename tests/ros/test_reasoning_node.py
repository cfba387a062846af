"""The reasoning node alone: it says that its checkpoint has passed the gate, or it ends in one line."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from molmoact_msgs.msg import Plan  # noqa: E402
from node_bench import Bench  # noqa: E402

from molmoact_ros.nodes import qos  # noqa: E402

DOMAIN = 63
MODELS = Path(__file__).parents[2] / "models"
GATE = "reasoning/checkpoint"


def test_a_good_checkpoint_is_announced_to_late_joiners_too():
    with Bench("reasoning", DOMAIN, checkpoint=MODELS / "embedded") as bench:
        bench.listen(DiagnosticStatus, GATE, qos.LATCHED)
        assert bench.wait(lambda: bench.last(GATE) is not None, 30.0)
        verdict = bench.last(GATE)
        assert verdict.level == DiagnosticStatus.OK
        assert {"files", "statistics", "dead head"} <= {value.key for value in verdict.values}


def test_a_changed_checkpoint_is_refused_in_one_line_and_nothing_is_announced(tmp_path):
    shutil.copytree(MODELS / "embedded", tmp_path / "changed")
    shutil.copy(MODELS / "embedded.yaml", tmp_path / "changed.yaml")
    weights = tmp_path / "changed" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with Bench("reasoning", DOMAIN, checkpoint=tmp_path / "changed") as bench:
        bench.listen(DiagnosticStatus, GATE, qos.LATCHED)
        bench.listen(Plan, "reasoning/plan", qos.EVENT)
        assert bench.wait(lambda: bench.process.poll() is not None, 30.0)
        code, said = bench.end()
    assert code == 1 and "sha256" in said and "Traceback" not in said
    assert len([line for line in said.splitlines() if "error" in line]) == 1
    assert bench.heard[GATE] == [] and bench.heard["reasoning/plan"] == []
