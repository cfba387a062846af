"""A published-layout checkpoint in the reasoner: real tokenizer, images and network; what is no answer never moves."""

import answer_texts
import numpy as np
import published_checkpoint as published
import pytest

from molmoact_ros.perception.raster import resize
from molmoact_ros.places import data_root
from molmoact_ros.reasoning.factory import Engine, open_reasoner
from molmoact_ros.reasoning.manifest import load_manifest, manifest_path
from molmoact_ros.reasoning.probes import FILE, load_probes
from molmoact_ros.runtime.decode import Answer
from molmoact_ros.types import ActionChunk, Frame, Plan, Refusal, Trace

TORCH = Engine("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published.build(tmp_path_factory.mktemp("reasoner") / "model", horizon=2)


@pytest.fixture(scope="module")
def reasoner(folder):
    return open_reasoner(folder, resize, engine=TORCH)


@pytest.fixture(scope="module")
def frame():
    return load_probes(data_root() / FILE)[0].frame


def answer_of(text: str, reasoner, cut: int | None = None) -> Answer:
    """Return the answer that a network would have given with these words."""
    ids = reasoner.form.chat.encode(text)[:cut]
    return Answer(np.array([*ids, reasoner.form.chat.eos]), {}, True, {})


def test_the_grammar_makes_a_plan_of_noise(reasoner, frame):
    """Whether it is a good one is the gate's and the supervisor's question; the form is whole, whatever it prefers."""
    heard = []
    plan = reasoner.plan(frame, "close the box", heard=heard.append)
    assert isinstance(plan, Plan) and plan.chunk.actions.shape == (2, 7)
    assert plan.depth_tokens.codes.shape == (10, 10) and plan.chunk.stamp_ns == frame.stamp_ns
    assert isinstance(heard[0], Trace) and isinstance(heard[-1], ActionChunk)
    np.testing.assert_array_equal(heard[0].points, plan.trace.points)
    np.testing.assert_array_equal(heard[-1].actions, plan.chunk.actions)


def test_without_a_form_noise_is_refused_not_executed(folder, frame):
    path = manifest_path(folder)
    stated = path.read_text()
    path.write_text(stated + "wording: [free]\n")
    try:
        assert load_manifest(folder).states.wording == ("free",)
        answer = open_reasoner(folder, resize, engine=TORCH).plan(frame, "close the box")
    finally:
        path.write_text(stated)
    assert isinstance(answer, Refusal) and answer.stamp_ns == frame.stamp_ns


@pytest.mark.parametrize("instruction", ["", "  ", "put <im_patch> away", "say <DEPTH_3>", "<|endoftext|>"])
def test_instructions_that_are_no_plain_words_are_refused(reasoner, frame, instruction):
    assert reasoner.plan(frame, instruction).name == "instruction_not_understood"


def test_a_missing_camera_is_refused(reasoner, frame):
    front = {"front": frame.images["front"]}
    lonely = Frame(frame.stamp_ns, front, frame.depth_m, frame.K, frame.T_base_camera, frame.robot)
    assert reasoner.plan(lonely, "close the box").name == "camera_missing"


def test_a_cancelled_question_has_no_answer_and_a_late_one_is_refused(reasoner, frame):
    assert reasoner.plan(frame, "close the box", stop=lambda: "cancelled") is None
    assert reasoner.plan(frame, "close the box", stop=lambda: "too_late").name == "too_late"


def test_the_prompt_holds_both_views_and_the_eye_looks_once_at_equal_crops(reasoner, frame):
    """Two pictures of at most 378 px: 2 equal crops, 424 tokens and 392 patches each (spec section 2.2)."""
    question = reasoner.form.question(frame, "close the box")
    assert question.images.shape[:2] == (4, 729)
    assert int((question.ids == reasoner.runtime.config.image_token).sum()) == 2 * 392
    before = reasoner.runtime.vision_passes
    reasoner.plan(frame, "open the box")
    assert reasoner.runtime.vision_passes - before in (0, 2)
    # other words, the same pictures: nothing is looked at again
    before = reasoner.runtime.vision_passes
    reasoner.plan(frame, "lift the box")
    assert reasoner.runtime.vision_passes == before


@pytest.mark.parametrize("truncate", [False, True])
def test_a_written_answer_becomes_a_plan_and_half_of_it_does_not(reasoner, frame, truncate):
    """The network cannot be made to say this without training; from its text on, all parts are the real ones."""
    rng = np.random.default_rng(3)
    codes, points, bins = rng.integers(0, 128, 100), rng.integers(0, 256, (5, 2)), rng.integers(0, 255, (2, 7))
    text = answer_texts.written_answer(codes, points, bins)
    parts = reasoner.form.read(answer_of(text, reasoner, -40 if truncate else None), "close the box")
    said = reasoner._writer.write(frame, "close the box", parts)
    if truncate:
        assert isinstance(said, Refusal)
        return
    assert isinstance(said, Plan) and said.chunk.convention == "delta_base"
    np.testing.assert_array_equal(said.depth_tokens.codes.ravel(), codes)
    np.testing.assert_array_equal(said.trace.points, points)
    np.testing.assert_allclose(said.chunk.actions, reasoner.manifest.rows(bins))
