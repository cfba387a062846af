"""A published-layout checkpoint in the reasoner: real tokenizer, images and network; what is no answer never moves."""

import numpy as np
import published_checkpoint as published
import pytest

from molmoact_ros.perception.raster import resize
from molmoact_ros.places import data_root
from molmoact_ros.reasoning.action_tokens import string_of, written_chunk, written_row
from molmoact_ros.reasoning.factory import open_reasoner
from molmoact_ros.reasoning.probes import FILE, load_probes
from molmoact_ros.runtime.contract import TextAnswer
from molmoact_ros.types import Frame, Plan, Refusal


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory):
    return open_reasoner(published.build(tmp_path_factory.mktemp("reasoner") / "model"), resize)


@pytest.fixture(scope="module")
def frame():
    return load_probes(data_root() / FILE)[0].frame


def written(answer) -> str:
    """Write an answer as the released two-view models do (spec section 3.3)."""
    codes = "".join(f"<DEPTH_{c}>" for c in answer["codes"])
    trace = "[" + ",".join(f"[{u},{v}]" for u, v in answer["trace"]) + "]"
    rows = [[string_of(b) for b in row] for row in answer["bins"]]
    actions = written_chunk(rows) if len(rows) > 1 else written_row(rows[0])
    return (
        f" The depth map of the first image is <DEPTH_START>{codes}<DEPTH_END>. The trajectory of the end effector in "
        f"the first image is {trace}. Based on these information, along with other images from different camera views "
        f"as additional information, the action that the robot should take is {actions}."
    )


def test_a_network_that_says_nothing_readable_is_refused_not_executed(reasoner, frame):
    answer = reasoner.plan(frame, "close the box")
    assert isinstance(answer, Refusal) and answer.stamp_ns == frame.stamp_ns


@pytest.mark.parametrize("instruction", ["", "  ", "put <im_patch> away", "say <DEPTH_3>", "<|endoftext|>"])
def test_instructions_that_are_no_plain_words_are_refused(reasoner, frame, instruction):
    assert reasoner.plan(frame, instruction).name == "instruction_not_understood"


def test_a_missing_camera_is_refused(reasoner, frame):
    front = {"front": frame.images["front"]}
    lonely = Frame(frame.stamp_ns, front, frame.depth_m, frame.K, frame.T_base_camera, frame.robot)
    assert reasoner.plan(lonely, "close the box").name == "camera_missing"


def test_a_cancelled_question_has_no_answer(reasoner, frame):
    assert reasoner.plan(frame, "close the box", lambda: True) is None


def test_the_prompt_holds_both_views(reasoner, frame):
    """Two pictures of at most 378 px: 2 crops, 424 tokens and 392 patches each (spec section 2.2)."""
    prompt = reasoner.runtime.processor.prompt("User: hello Assistant:", [frame.images[n] for n in ("front", "wrist")])
    assert prompt.images.shape[1:3] == (4, 729)
    assert int((prompt.ids == reasoner.runtime.network.config.image_token).sum()) == 2 * 392


@pytest.mark.parametrize("truncate", [False, True])
def test_a_written_answer_becomes_a_plan_and_half_of_it_does_not(reasoner, frame, truncate):
    """The network cannot be made to say this without training; from its text on, all parts are the real ones."""
    rng = np.random.default_rng(3)
    answer = {
        "codes": rng.integers(0, 128, 100),
        "trace": rng.integers(0, 256, (5, 2)),
        "bins": rng.integers(0, 255, (1, 7)),
    }
    text = written(answer)
    tokenizer = reasoner.runtime.processor.tokenizer
    ids = tokenizer.encode(text)[: -40 if truncate else None]
    said = reasoner.read(frame, "close the box", TextAnswer(tokenizer.decode(ids), len(ids), True, {"answer": 1.0}))
    if truncate:
        assert isinstance(said, Refusal)
        return
    assert isinstance(said, Plan) and said.chunk.convention == "delta_base"
    np.testing.assert_array_equal(said.depth_tokens.codes.ravel(), answer["codes"])
    np.testing.assert_array_equal(said.trace.points, answer["trace"])
    np.testing.assert_allclose(said.chunk.actions, reasoner.manifest.rows(answer["bins"]))
