"""Training in small: what a batch is made of, what the loss leaves out, and that interrupted runs end the same."""

import hashlib
import os
import signal

import numpy as np
import pytest
import torch

from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.learning import train
from molmoact_ros.learning.objective import loss, pointing_losses
from molmoact_ros.learning.samples import (
    ANNOTATED,
    REASONING,
    TRACE_RGB,
    WITH_DEPTH,
    Sampler,
    draw_trace,
    image_tensor,
)
from molmoact_ros.learning.selection import frame_of
from molmoact_ros.learning.train import STATE, Training, kind_of, rate_factor
from molmoact_ros.learning.training_config import TrainingConfig
from molmoact_ros.model.config import embedded
from molmoact_ros.model.network import MolmoActNetwork
from molmoact_ros.perception.raster import resize
from molmoact_ros.reasoning.factory import open_form, open_reasoner
from molmoact_ros.reasoning.manifest import load_manifest
from molmoact_ros.reasoning.vocabulary import prompt_ids, prompt_length
from molmoact_ros.sim.language import WORDS
from tests.few_records import few_records

CONFIG = embedded(WORDS)
HEAD = prompt_length(CONFIG.tokens, CONFIG.image_tokens)
KINDS = (REASONING, WITH_DEPTH, ANNOTATED)


@pytest.fixture(scope="module")
def records():
    return few_records()


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_a_function_of_seed_and_step(records, kind):
    one, same = (Sampler(records, CONFIG, 3).draw(7, 8, kind) for _ in range(2))
    other = Sampler(records, CONFIG, 3).draw(8, 8, kind)
    for name in ("ids", "positions", "images", "points"):
        assert torch.equal(getattr(one, name).nan_to_num(), getattr(same, name).nan_to_num())
    assert not torch.equal(one.images, other.images)


def test_the_same_section_stands_at_the_same_positions_in_every_kind(records):
    layout, sampler = CONFIG.tokens, Sampler(records, CONFIG, 0)
    places = {}
    for kind in KINDS:
        batch = sampler.draw(1, 16, kind)
        whole = (batch.ids == layout.action_start).any(1)
        row = int(whole.nonzero()[0, 0])
        at = int((batch.ids[row] == layout.action_start).nonzero()[0, 0])
        places[kind] = int(batch.positions[row, at])
        assert batch.ids[0, 0] == (layout.annotated if kind == ANNOTATED else layout.bos)
        assert batch.prompt_length == HEAD
    assert len(set(places.values())) == 1, places


def test_annotated_samples_show_the_trace_and_answer_with_the_action_alone(records):
    sampler, layout = Sampler(records, CONFIG, 0), CONFIG.tokens
    batch = sampler.draw(0, 16, ANNOTATED)
    assert torch.all(batch.ids[:, HEAD] == layout.action_start)
    drawn = draw_trace(np.zeros((120, 160, 3), np.uint8), np.array([[0, 0], [255, 255], [255, 0]]))
    assert not drawn[..., TRACE_RGB.index(0)].any() and 0.005 < drawn.any(2).mean() < 0.1


def test_what_is_not_in_sight_teaches_neither_pointing_nor_acting(records):
    maps = torch.randn(2, 3, 30, 40, requires_grad=True)
    points = torch.full((2, 3, 2), float("nan"))
    assert pointing_losses(maps, points) == {}
    points[0, 0] = torch.tensor([0.5, 0.5])
    sum(pointing_losses(maps, points).values()).backward()
    assert torch.isfinite(maps.grad).all() and maps.grad[1].abs().sum() == 0 and maps.grad[0, 1:].abs().sum() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_vit_reads_patches_and_learns_without_pointing(records, kind):
    training = Training("unused", _config(tower="vit"))
    config, eye = training.network.config, training.network.model.vision_backbone.image_vit
    batch = Sampler(records, config, 0).draw(0, 4, kind)
    assert (batch.images.shape, batch.pooled_index.shape) == ((4, 1, 192, 300), (4, 48, 4))
    before = eye.patch_embedding.weight.detach().clone()
    # the blocks begin as if they were not there: it takes a step until pictures matter
    parts = [training.one_step(batch) for _ in range(3)][-1]
    assert not {"map", "point"} & set(parts) and np.isfinite(list(parts.values())).all()
    assert (eye.patch_embedding.weight - before).abs().max() > 1e-5 and eye.patch_embedding.weight.grad.abs().sum() > 0


def test_a_vit_sees_the_same_in_training_and_in_the_cell(records, tmp_path):
    training = Training(tmp_path / "run", _config(tower="vit"))
    training.write(tmp_path / "vit")
    form, frame = open_form(load_manifest(tmp_path / "vit"), resize), frame_of(records.image[0], records.state[0])
    asked = form.question(frame, "pick up the red cube")
    crops, index = Sampler(records, training.network.config, 0)._looked_at(image_tensor(records.image[:1]))
    np.testing.assert_allclose(asked.images, crops[0], atol=1e-6)
    np.testing.assert_array_equal(asked.pooled_index, index[0])
    answer = open_reasoner(tmp_path / "vit", resize).plan(frame, "pick up the red cube")
    assert answer.chunk.actions.shape == (8, 7) and answer.costs["vision"].passes == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_finite_loss_with_gradients_everywhere_it_should(records, kind):
    torch.manual_seed(0)
    network = MolmoActNetwork(CONFIG)
    train.initialise(network)
    total, parts = loss(network, Sampler(records, CONFIG, 0).draw(0, 8, kind))
    total.backward()
    wanted = {"action", "map", "point"} | ({"trace"} if kind != ANNOTATED else set())
    assert set(parts) == wanted | ({"depth"} if kind == WITH_DEPTH else set())
    assert np.isfinite(list(parts.values())).all()
    assert network.model.vision_backbone.reader.first.weight.grad.abs().sum() > 0


def test_the_words_are_read_in_their_order():
    torch.manual_seed(0)
    network = MolmoActNetwork(CONFIG)
    train.initialise(network)
    sentences = ("put the red cube on the blue cube", "put the blue cube on the red cube")
    ids = torch.from_numpy(np.stack([prompt_ids(CONFIG.tokens, CONFIG.image_tokens, s, [0] * 4) for s in sentences]))
    read = network._instruction(ids, network.embed(ids))
    assert (read[0] - read[1]).abs().max() > 1e-3


def test_rates_rise_stay_and_fall():
    config = TrainingConfig(warmup=0.1, decay=0.5)
    assert rate_factor(0.05, config) == pytest.approx(0.5) and rate_factor(0.3, config) == 1.0
    assert rate_factor(0.75, config) == pytest.approx(0.5) and rate_factor(1.0, config) == 0.02


def test_depth_comes_late_and_drawn_traces_now_and_then():
    config = TrainingConfig(steps=1000, depth_start=0.5, depth_share=0.4, annotated_share=0.2)
    kinds = [kind_of(step, config) for step in range(1000)]
    assert WITH_DEPTH not in kinds[:500] and 150 < kinds[500:].count(WITH_DEPTH) < 250
    assert 150 < kinds.count(ANNOTATED) < 250


def test_half_the_digits_give_nearly_the_same_loss(records):
    batch = Sampler(records, CONFIG, 0).draw(0, 8, WITH_DEPTH)
    exact, half = (Training("unused", _config(dtype=dtype)).one_step(batch) for dtype in ("float32", "bfloat16"))
    assert exact != half and all(half[name] == pytest.approx(exact[name], rel=0.02) for name in exact)


def _config(**changes):
    return TrainingConfig(steps=8, batch=4, depth_start=0.3, threads=1, save_every=3, **changes)


def _digest(training: Training) -> str:
    weights = b"".join(p.detach().numpy().tobytes() for p in training.network.state_dict().values())
    return hashlib.sha256(weights).hexdigest()


def test_interrupted_and_resumed_it_ends_the_same(records, tmp_path):
    whole = Training(tmp_path / "whole", _config())
    assert whole.run(records, 8, lambda *_: None)

    first = Training(tmp_path / "parts", _config())

    def interrupt(training, parts):
        if training.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    assert not first.run(records, 8, interrupt)
    second = Training(tmp_path / "parts", _config())
    second.resume()
    assert second.step == 5
    assert second.run(records, 8, lambda *_: None)
    assert _digest(second) == _digest(whole)


def test_a_state_of_another_run_is_refused(records, tmp_path):
    Training(tmp_path, _config()).save()
    with pytest.raises(InvalidData, match="muon_rate"):
        Training(tmp_path, _config(muon_rate=0.01)).resume()
    (tmp_path / STATE).unlink()
    with pytest.raises(MissingPart, match="--resume"):
        Training(tmp_path, _config()).resume()


def test_a_training_begins_with_another_model_word_by_word(records, tmp_path):
    from molmoact_ros.learning.checkpoint import save
    from molmoact_ros.learning.spelling import Spelling
    from molmoact_ros.learning.start import begin_with

    torch.manual_seed(0)
    old = MolmoActNetwork(embedded(("cup", "red", "take", "the")))
    train.initialise(old)
    save(old, tmp_path / "old", Spelling(words=old.config.tokens.words))
    new = MolmoActNetwork(embedded(("blue", "red", "the")))
    train.initialise(new)
    assert begin_with(new, tmp_path / "old") == 1
    was, now = old.model.transformer.wte.embedding, new.model.transformer.wte.embedding
    first = new.config.tokens.first_word
    assert torch.equal(now[first + 1], was[first + 1]) and torch.equal(now[first + 2], was[first + 3])
    assert torch.equal(now[new.config.tokens.bin_0 :], was[old.config.tokens.bin_0 :])
    assert torch.equal(new.model.vision_backbone.grid.weight, old.model.vision_backbone.grid.weight)
    with pytest.raises(MissingPart, match="no weights"):
        begin_with(new, tmp_path / "nothing")
    with pytest.raises(InvalidData, match="another vision tower"):
        begin_with(MolmoActNetwork(embedded(("red",), image_size=(320, 240))), tmp_path / "old")


@pytest.mark.parametrize("left_out", [("depth",), ("trace",), ("depth", "trace")])
def test_models_to_compare_leave_sections_out_and_no_arm_is_moved_by_them(records, tmp_path, left_out):
    from molmoact_ros.arms.profile import FR3
    from molmoact_ros.learning.checkpoint import save
    from molmoact_ros.learning.selection import frame_of
    from molmoact_ros.learning.spelling import tabletop
    from molmoact_ros.perception.raster import resize
    from molmoact_ros.reasoning.factory import open_reasoner
    from molmoact_ros.reasoning.gate import Station, examine, first_refusal
    from molmoact_ros.types import Plan

    sections = tuple(s for s in ("depth", "trace", "action") if s not in left_out)
    spelling = tabletop(sections=sections)
    torch.manual_seed(0)
    network = MolmoActNetwork(CONFIG)
    train.initialise(network)
    batch = Sampler(records, CONFIG, 0, spelling=spelling).draw(0, 8, REASONING)
    starts = (batch.ids == CONFIG.tokens.trace_start).any()
    assert bool(starts) == ("trace" in sections)
    if "depth" not in sections:
        # Nothing is skipped: the model never sees depth positions.
        assert torch.equal(batch.positions[0], torch.arange(batch.ids.shape[1]))
    save(network, tmp_path / "model", spelling)
    plan = open_reasoner(tmp_path / "model", resize).plan(
        frame_of(records.image[0], records.state[0]), "pick up the red cube"
    )
    assert isinstance(plan, Plan) or plan.name == "object_not_in_sight"
    _, checks = examine(tmp_path / "model", Station(FR3))
    assert "no arm moves" in str(first_refusal(checks))
