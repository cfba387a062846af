"""The reasoning node alone: its checkpoint's verdict, what it says while it thinks, and when it gives up."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from molmoact_msgs.msg import ActionChunk, Plan, Trace  # noqa: E402
from molmoact_msgs.msg import Frame as FrameMsg  # noqa: E402
from node_bench import Bench  # noqa: E402

from molmoact_ros.nodes import convert, qos  # noqa: E402
from molmoact_ros.places import data_root  # noqa: E402
from molmoact_ros.reasoning.probes import FILE, load_probes  # noqa: E402
from molmoact_ros.types import DepthTokens  # noqa: E402

DOMAIN = 63
PLAN, TRACE, ROWS = "reasoning/plan", "reasoning/trace", "reasoning/rows"
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


def probe_message(bench, probe, age_s: float = 0.0):
    """Return a perception frame made of a probe, seen `age_s` ago."""
    stamp_ns = bench.now_ns() - int(age_s * 1e9)
    depth_m = np.full(probe.frame.depth_m.shape, 0.8)
    robot = dataclasses.replace(probe.frame.robot, stamp_ns=stamp_ns)
    frame = dataclasses.replace(probe.frame, stamp_ns=stamp_ns, depth_m=depth_m, robot=robot)
    return convert.frame_to_msg(frame, DepthTokens(stamp_ns, probe.codes, 128, "sensor"))


def test_trace_and_rows_come_before_the_plan_and_the_plan_says_what_it_cost():
    probe = load_probes(data_root() / FILE)[0]
    options = {"instruction": probe.instruction, "depth_mode": "generate", "window": 4}
    with Bench("reasoning", DOMAIN, checkpoint=MODELS / "embedded", **options) as bench:
        for kind, topic in ((Trace, TRACE), (ActionChunk, ROWS), (Plan, PLAN), (DiagnosticArray, "/diagnostics")):
            bench.listen(kind, topic, qos.EVENT)
        bench.feed(FrameMsg, "perception/frame", qos.EVENT, 5.0, lambda: probe_message(bench, probe))
        assert bench.wait(lambda: len(bench.heard[PLAN]) >= 3, 30.0)
        plan = bench.heard[PLAN][1][1]
        stamp = plan.header.stamp
        traces = [(at, m) for at, m in bench.heard[TRACE] if m.header.stamp == stamp]
        rows = [(at, m) for at, m in bench.heard[ROWS] if m.header.stamp == stamp]
        assert len(traces) == 1 and list(traces[0][1].u) == list(plan.trace.u)
        assert [m.rows for _, m in rows] == sorted({m.rows for _, m in rows}) and rows[-1][1].rows == plan.chunk.rows
        assert list(rows[-1][1].actions) == list(plan.chunk.actions) and len(rows) > 1
        assert traces[0][0] <= rows[0][0]
        costs = convert.plan_from_msg(plan).costs
        assert {"vision", "prefill", "depth", "trace", "action"} == set(costs)
        assert costs["depth"].tokens == 102 and 0 < costs["depth"].passes <= 102
        assert bench.wait(lambda: any("depth_cost" in said for said in diagnosed(bench)), 5.0), diagnosed(bench)


def diagnosed(bench) -> list[str]:
    """Return the names of the values that /diagnostics has held."""
    arrays = [message for _, message in bench.heard["/diagnostics"]]
    return [value.key for array in arrays for status in array.status for value in status.values]


def test_a_plan_that_would_come_too_late_is_given_up():
    probe = load_probes(data_root() / FILE)[0]
    options = {"instruction": probe.instruction, "deadline_s": 0.3, "max_frame_age_s": 5.0}
    with Bench("reasoning", DOMAIN, checkpoint=MODELS / "embedded", **options) as bench:
        bench.listen(Plan, PLAN, qos.EVENT)
        bench.feed(FrameMsg, "perception/frame", qos.EVENT, 5.0, lambda: probe_message(bench, probe, age_s=0.5))
        assert bench.wait(lambda: bench.last(PLAN) is not None, 30.0)
        assert bench.last(PLAN).refusal == "too_late" and bench.last(PLAN).plan_id == 0
