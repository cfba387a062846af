"""The network against the reference implementation's numbers: small random models of both published families."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import molmoact_ros.model
from molmoact_ros.errors import InvalidData
from molmoact_ros.evaluation.parity import models
from molmoact_ros.model.config import molmoact_7b_d
from molmoact_ros.model.kv_cache import KvCache
from molmoact_ros.model.network import MolmoActNetwork, Prompt

SHARED = Path(__file__).parents[3] / "shared" / "golden" / "molmoact_v1"
COPIED = Path(__file__).parent / "golden"


def _prompt(inputs: dict) -> Prompt:
    return Prompt(inputs["input_ids"], inputs["images"], inputs["pooled_patches_idx"])


@pytest.fixture(scope="module")
def qwen():
    folder = COPIED / "tiny_model" / "qwen_1img"
    return molmoact_ros.model.load(folder), *(load_file(folder / f"{n}.safetensors") for n in ("inputs", "expected"))


@pytest.mark.parametrize("golden, least", [(COPIED, 4), (SHARED, 14)], ids=["copied", "shared"])
def test_every_model_agrees_with_the_reference(golden, least):
    if not golden.is_dir():
        pytest.skip("no golden data beside this checkout")
    cases = list(models.run(golden))
    assert len(cases) >= least
    assert [case for case in cases if not case.passed] == []


def test_a_changed_weight_or_a_broken_file_is_seen(tmp_path):
    """The comparison itself can fail."""
    import shutil

    folder = tmp_path / "tiny_model" / "qwen_1img"
    shutil.copytree(COPIED / "tiny_model" / "qwen_1img", folder)
    network, state = molmoact_ros.model.load(folder), load_file(folder / "model.safetensors")
    state["model.transformer.ln_f.weight"][0] += 0.1
    from safetensors.torch import save_file

    save_file(state, folder / "model.safetensors")
    assert any(not case.passed for case in models.run(tmp_path))
    (folder / "expected.safetensors").write_bytes(b"nonsense")
    assert [case.passed for case in models.run(tmp_path)] == [False]
    assert network is not None


@torch.inference_mode()
def test_several_tokens_at_once_after_the_cache_equal_one_by_one(qwen):
    network, inputs, expected = qwen
    length, tokens = inputs["input_ids"].shape[1], expected["generated_ids"][:, :6]
    embeddings, _ = network.embed_prompt(_prompt(inputs))
    cache = KvCache(network.config.decoder, 1, length + 6)
    network.decode(embeddings, torch.arange(length)[None], cache)
    together = network.logits(network.decode(network.embed(tokens), length + torch.arange(6)[None], cache))
    np.testing.assert_allclose(together[0, :-1], expected["generated_logits"][0, 1:6], atol=models.TOLERANCE)


@torch.inference_mode()
def test_bfloat16_stays_near(qwen):
    """The reference's own bfloat16 run differs by 0.13 from its float32 run."""
    _, inputs, expected = qwen
    network = molmoact_ros.model.load(COPIED / "tiny_model" / "qwen_1img", dtype="bfloat16")
    assert network.lm_head.weight.dtype == torch.bfloat16
    logits = network(inputs["input_ids"], inputs["images"], inputs["pooled_patches_idx"]).float()
    assert (logits - expected["logits"]).abs().max() < 0.3


def test_another_number_of_image_tokens_is_refused(qwen):
    network, inputs, _ = qwen
    with pytest.raises(InvalidData, match="image tokens"):
        network(inputs["input_ids"][:, :-3], inputs["images"][:, :1], inputs["pooled_patches_idx"][:, :4])


def test_the_published_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = MolmoActNetwork(molmoact_7b_d())
    assert sum(p.numel() for p in network.parameters()) == 8_119_417_808
