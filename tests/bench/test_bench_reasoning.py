"""The bench of reasoning: every exact mode says what plain decoding says in fewer passes; times are never asserted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from molmoact_ros.cli import main
from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.evaluation.bench import cases, cycles, roofline, shape, spoken
from molmoact_ros.evaluation.bench.measure import Subject, run
from molmoact_ros.evaluation.bench.models import EMBEDDED, TEXT, backends, subjects, text_subject, texts_of
from molmoact_ros.evaluation.bench.modes import EXACT, MODES
from molmoact_ros.evaluation.bench.page import written_page
from molmoact_ros.model.config import molmoact_7b_d
from molmoact_ros.perception.raster import resize
from molmoact_ros.places import data_root
from molmoact_ros.reasoning.factory import Engine, open_reasoner
from molmoact_ros.reasoning.probes import FILE, load_probes
from molmoact_ros.runtime.contract import Question
from molmoact_ros.types import DepthTokens, Plan

KEYS = ("model", "backend", "mode", "passes_p50", "ms_p50", "passes_ratio", "time_ratio", "identical", "sections")


@pytest.fixture(scope="module")
def recorded() -> list[cycles.Cycle]:
    """Two rounds over the probe frames, as if they came from one episode each; the policy's answers are real."""
    policy = open_reasoner(data_root() / cycles.POLICY, resize, engine=Engine())
    probes, made = load_probes(data_root() / FILE), []
    for number, probe in enumerate([*probes, *probes[:2]]):
        stamp_ns = number * 600_000_000
        frame = replace(probe.frame, stamp_ns=stamp_ns)
        sensor = DepthTokens(stamp_ns, probe.codes, 128, "sensor")
        assert isinstance(policy.plan(frame, probe.instruction, sensor), Plan)
        made.append(cycles.Cycle(number // 4, frame, probe.instruction, sensor, policy.last_answer.ids))
    return made


@pytest.fixture(scope="module")
def embedded(recorded) -> list[tuple[Subject, dict]]:
    """The embedded model in all modes on every backend that is here."""
    asked = subjects(EMBEDDED, recorded, "unused", backends(data_root() / cycles.POLICY), threads=1)
    return [(subject, run(subject, list(MODES.values()), window=16)) for subject in asked]


@pytest.fixture(scope="module")
def tiny(recorded) -> Subject:
    """A tiny network of the published layout that says the recorded answers as text."""
    network = shape.network_of(shape.tiny(), "cpu")
    form = shape.TextForm(shape.chat_of(shape.tiny()), shape.text_manifest("unused"))
    return text_subject(TEXT, shape.runtime_of(network, form.grammar.legal, graphs=False), form, recorded)


@pytest.fixture(scope="module")
def told(tiny) -> dict:
    """The tiny network in all exact modes; plain decoding on two of the cycles."""
    return run(tiny, [MODES[name] for name in EXACT], window=16, sample=2)


def test_exact_modes_say_the_same_in_fewer_passes_on_every_backend(embedded):
    assert embedded
    for subject, outcomes in embedded:
        found = {case["mode"]: case for case in cases.cases_of(subject, outcomes)}
        assert set(found) == set(MODES) and all(set(KEYS) <= set(case) for case in found.values())
        assert [found[name]["identical"] for name in EXACT] == [True] * len(EXACT)
        assert found["plain"]["passes_mean"] == found["plain"]["tokens_mean"]
        ratios = [found[name]["passes_ratio"] for name in ("plain", "jump", "draft", "draft_sensor")]
        assert ratios[0] == 1 and ratios == sorted(ratios) and ratios[-1] > 1.3
        assert found["force"]["sections"]["depth"]["passes"] == 0
        assert found["force"]["identical"] is None and found["continue"]["plans_compared"] > 0


def test_backends_agree_token_by_token(embedded):
    first, *others = [outcomes for _, outcomes in embedded]
    assert all(cases.agree(first, other) for other in others)


def test_the_recorded_text_is_said_with_few_passes(tiny, told, recorded):
    found = {case["mode"]: case for case in cases.cases_of(tiny, told)}
    assert all(case["identical"] for case in found.values())
    assert (found["plain"]["cycles"], found["draft_sensor"]["cycles"]) == (2, len(recorded))
    assert found["draft_sensor"]["passes_ratio"] > found["jump"]["passes_ratio"] > 1.2
    for number, outcome in told["draft_sensor"].items():
        assert np.array_equal(outcome.ids, texts_of(tiny.form, recorded[number]))
        assert isinstance(outcome.plan, Plan)


def test_a_text_means_what_the_policy_answered(told, embedded):
    for number, outcome in told["draft_sensor"].items():
        plan = embedded[0][1]["plain"][number].plan
        assert np.array_equal(outcome.plan.chunk.actions, plan.chunk.actions)
        assert np.array_equal(outcome.plan.trace.points, plan.trace.points)
        assert np.array_equal(outcome.plan.depth_tokens.codes, plan.depth_tokens.codes)


def test_what_is_preferred_follows_what_was_read(tiny):
    text, runtime = texts_of(tiny.form, tiny.cycles[0]), tiny.runtime
    runtime.say(text)
    question = Question(np.arange(5))

    def best(scores):
        return runtime.legal[scores.argmax(axis=1)].tolist()

    assert best(runtime.prefill(question, text[:2])) == text[:3].tolist()
    wrong = [int(text[2]), int(text[9]), int(text[3])]
    assert best(runtime.extend(np.array(wrong)))[:1] == [text[3]]
    runtime.rewind(5 + 3)
    assert best(runtime.extend(text[3:5])) == text[4:6].tolist()


def test_a_whole_answer_is_spelled_and_read_back(tiny, recorded):
    ids = texts_of(tiny.form, recorded[0])
    values = spoken.said(tiny.form.grammar, ids)
    assert np.array_equal(spoken.spelled(tiny.form.grammar, values), ids)
    assert tiny.form.chat.encode(tiny.form.chat.decode(ids[:-1])) == ids[:-1].tolist()


def test_a_recording_comes_back_as_it_was(recorded, tmp_path):
    path = tmp_path / "cycles.npz"
    cycles.save(path, recorded, "abc")
    again, weights = cycles.load(path)
    assert weights == "abc" and len(again) == len(recorded)
    for one, other in zip(recorded, again):
        assert np.array_equal(one.ids, other.ids) and np.array_equal(one.sensor.codes, other.sensor.codes)
        assert list(one.frame.images) == list(other.frame.images)
        assert all(np.array_equal(one.frame.images[name], other.frame.images[name]) for name in one.frame.images)
        assert (one.seed, one.frame.stamp_ns, one.instruction) == (other.seed, other.frame.stamp_ns, other.instruction)
    path.write_bytes(b"PK nothing")
    with pytest.raises(InvalidData, match="cannot be read"):
        cycles.load(path)


@pytest.mark.sim
def test_the_policy_is_recorded_in_closed_loop():
    found = cycles.record(3)
    assert [set(cycle.frame.images) for cycle in found] == [{"front", "wrist"}] * 3
    assert found[0].frame.stamp_ns < found[1].frame.stamp_ns and len(found[0].ids) > 100


def test_the_limit_of_memory_is_bytes_over_bandwidth():
    config = molmoact_7b_d().decoder
    assert roofline.block_weights(config) == pytest.approx(6.53e9, rel=0.01)
    wide = roofline.pass_bytes(config, "bf16", config.vocab_size, 0)
    assert wide == pytest.approx(14.15e9, rel=0.01)
    assert roofline.pass_bytes(config, "bf16", 300, 1000) - roofline.pass_bytes(config, "bf16", 300, 0) == 57_344_000
    assert roofline.pass_ms(wide, roofline.GPUS["H100 SXM"]) == pytest.approx(4.2, abs=0.1)
    assert roofline.gpu_of("NVIDIA H100 80GB HBM3") == "H100 SXM" and roofline.gpu_of("none") is None


def test_a_shape_is_measured_and_the_page_tells(recorded, embedded, tiny, told):
    figures, found = shape.measure("tiny", "cpu", recorded[:2], sample=1, window=16)
    assert figures["identical"] and figures["passes_ratio"] > 1.2
    names = [case["mode"] for case in found]
    assert names == [f"{way} of {k}" for way in ("pass", "recorded pass") for k in shape.STEPS] + [shape.LOOP, *EXACT]
    measured = {"date": "2026-01-02T03:04:05", "cores": 2, "platform": "Linux-x86_64", "gpu": "none", "versions": {}}
    plans = [case for subject, outcomes in embedded for case in cases.cases_of(subject, outcomes)]
    plans += cases.cases_of(tiny, told)
    summary = {"command": "molmoact bench …", **cases.summary(plans)}
    report = {"summary": summary, "cases": plans, "environment": measured}
    summary = {"command": "molmoact bench …", "shape": "7b-d"}
    on_gpu = {"summary": summary, "cases": found, "environment": {**measured, "gpu": "NVIDIA H100"}}
    page, full = written_page([report]), written_page([report, on_gpu])
    assert "2-core x86_64 machine without a GPU, 2026-01-02" in page and "None" not in page
    unmeasured = [text.count("not measured") for text in (page, full)]
    assert unmeasured[0] > unmeasured[1] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(capsys):
    with pytest.raises(MissingPart, match="a device with room"):
        shape.require("cuda")
    for options in (["--shape", "7b-d"], ["--device", "cuda"]):
        assert main(["bench", "reasoning", *options]) == 1
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_page_is_written_from_a_report_alone(tmp_path, capsys):
    assert main(["bench", "page", "--page", str(tmp_path / "latency.md")]) == 1
    (tmp_path / "broken.json").write_text(json.dumps({"summary": {}}))
    assert main(["bench", "page", str(tmp_path / "broken.json"), "--page", str(tmp_path / "latency.md")]) == 1
    assert "expected a report" in capsys.readouterr().err
