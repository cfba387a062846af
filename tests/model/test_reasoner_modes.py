"""The embedded model in the reasoner: what the sensor's depth tokens and the last plan may and may not change."""

import dataclasses

import numpy as np
import pytest
import torch

from molmoact_ros.perception.raster import resize
from molmoact_ros.places import data_root
from molmoact_ros.reasoning.factory import Engine, open_reasoner
from molmoact_ros.reasoning.probes import FILE, load_probes
from molmoact_ros.types import ActionChunk, DepthTokens, Plan, Refusal, Trace

CHECKPOINT = data_root() / "models" / "embedded"
DT_NS = 200_000_000


@pytest.fixture(scope="module")
def probes():
    return load_probes(data_root() / FILE)


def opened(backend="onnx", **options):
    return open_reasoner(CHECKPOINT, resize, engine=Engine(backend, **options))


def sensor(probe) -> DepthTokens:
    return DepthTokens(probe.frame.stamp_ns, probe.codes, 128, "sensor")


def later(frame, steps: float):
    return dataclasses.replace(frame, stamp_ns=frame.stamp_ns + int(steps * DT_NS))


def test_every_backend_and_exact_mode_plans_the_same(probes):
    plain = opened("torch", window=0, depth_mode="generate")
    others = [opened(b, depth_mode=m) for b in ("torch", "onnx") for m in ("generate", "draft")]
    for probe in probes:
        expected = plain.plan(probe.frame, probe.instruction, sensor(probe))
        for other in others:
            for _ in range(2):
                plan = other.plan(probe.frame, probe.instruction, sensor(probe))
                np.testing.assert_array_equal(plan.depth_tokens.codes, expected.depth_tokens.codes)
                np.testing.assert_array_equal(plan.trace.points, expected.trace.points)
                np.testing.assert_array_equal(plan.chunk.actions, expected.chunk.actions)


def test_the_same_question_again_is_answered_in_few_passes(probes):
    reasoner = opened()
    first, again = (reasoner.plan(probes[0].frame, probes[0].instruction) for _ in range(2))
    passes = [sum(cost.passes for name, cost in plan.costs.items() if name != "vision") for plan in (first, again)]
    assert passes[1] < passes[0] / 3
    assert again.costs["vision"].passes == 0 < first.costs["vision"].passes


def test_forced_depth_is_the_sensors_and_costs_no_pass(probes):
    plan = opened(depth_mode="force").plan(probes[0].frame, probes[0].instruction, sensor(probes[0]))
    np.testing.assert_array_equal(plan.depth_tokens.codes, probes[0].codes)
    assert plan.costs["depth"].passes == 0 and plan.costs["depth"].tokens == 102


def test_rows_that_will_have_been_executed_begin_the_new_plan(probes):
    reasoner, probe = opened(), probes[0]
    first = reasoner.plan(probe.frame, probe.instruction)
    frame = later(probe.frame, 2)
    second = reasoner.plan(frame, probe.instruction, executed_until_ns=later(frame, 3).stamp_ns)
    # rows 0..2 of the new chunk are rows 2..4 of the old one
    np.testing.assert_allclose(second.chunk.actions[:3], first.chunk.actions[2:5], atol=1e-9)
    free = opened().plan(frame, probe.instruction)
    assert second.costs["action"].passes < free.costs["action"].passes


def test_trace_and_rows_are_heard_before_the_plan_and_are_its_own(probes):
    heard = []
    plan = opened(depth_mode="generate").plan(probes[1].frame, probes[1].instruction, heard=heard.append)
    assert isinstance(plan, Plan) and isinstance(heard[0], Trace)
    np.testing.assert_array_equal(heard[0].points, plan.trace.points)
    rows = [len(part.actions) for part in heard[1:]]
    assert rows == sorted(set(rows)) and rows[-1] == len(plan.chunk.actions) and len(rows) > 1
    for part in heard[1:]:
        assert isinstance(part, ActionChunk) and part.stamp_ns == plan.stamp_ns
        np.testing.assert_array_equal(part.actions, plan.chunk.actions[: len(part.actions)])


def test_a_late_answer_is_given_up_and_the_next_one_is_not(probes):
    reasoner, asked = opened(), iter(range(10**6))
    late = reasoner.plan(probes[0].frame, probes[0].instruction, stop=lambda: "too_late" * (next(asked) > 5))
    assert isinstance(late, Refusal) and late.name == "too_late"
    assert isinstance(reasoner.plan(probes[0].frame, probes[0].instruction), Plan)


def test_another_instruction_takes_no_motion_from_the_last_one(probes):
    reasoner, probe = opened(), probes[0]
    reasoner.plan(probe.frame, probe.instruction)
    other = next(p.instruction for p in probes if p.instruction != probe.instruction)
    fresh = opened().plan(probe.frame, other)
    answer = reasoner.plan(probe.frame, other)
    assert type(answer) is type(fresh)
    if isinstance(answer, Plan):
        np.testing.assert_array_equal(answer.chunk.actions, fresh.chunk.actions)


def test_a_network_that_answers_with_nan_is_refused(probes):
    reasoner = opened("torch")
    with torch.no_grad():
        reasoner.runtime._head.fill_(float("nan"))
    answer = reasoner.plan(probes[0].frame, probes[0].instruction)
    assert isinstance(answer, Refusal) and answer.name == "not_answered"


def test_depth_tokens_of_another_code_book_are_left_out(probes):
    strange = DepthTokens(0, probes[0].codes, 512, "sensor")
    plan = opened(depth_mode="force").plan(probes[0].frame, probes[0].instruction, strange)
    expected = opened(depth_mode="generate").plan(probes[0].frame, probes[0].instruction)
    np.testing.assert_array_equal(plan.depth_tokens.codes, expected.depth_tokens.codes)
