"""The network against the reference implementation's numbers: small random models of both published families."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from molmoact_ros.model.config import from_published, molmoact_7b_d
from molmoact_ros.model.kv_cache import KvCache
from molmoact_ros.model.network import MolmoActNetwork, Prompt

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "molmoact_v1" / "tiny_model"
COPIED = Path(__file__).parent / "golden"
TOLERANCE = 2e-4


def _case(name: str):
    folder = GOLDEN / name if (GOLDEN / name).is_dir() else COPIED / name
    if not folder.is_dir():
        pytest.skip(f"no golden data '{name}' beside this checkout")
    data = json.loads((folder / "config.json").read_text())
    network = MolmoActNetwork(from_published(data)).eval()
    weights = {}
    for path in sorted(folder.glob("model*.safetensors")):
        weights |= load_file(path)
    weights.pop("model.vision_backbone.pad_embed", None)
    network.load_state_dict(weights)
    inputs = load_file(folder / "inputs.safetensors")
    prompt = Prompt(inputs["input_ids"], inputs["images"], data["image_patch_id"], inputs["pooled_patches_idx"])
    return network, prompt, load_file(folder / "expected.safetensors")


@pytest.mark.parametrize("name", ["qwen_1img", "olmo_1img", "qwen_2img"])
@torch.inference_mode()
def test_logits_and_image_features_agree_with_the_reference(name):
    network, prompt, expected = _case(name)
    features = network.model.vision_backbone(prompt.images, prompt.pooled_index)
    np.testing.assert_allclose(features, expected["image_features"], atol=TOLERANCE)
    embeddings, _ = network.embed_prompt(prompt)
    np.testing.assert_allclose(embeddings, expected["inputs_embeds"], atol=TOLERANCE)
    positions = torch.arange(prompt.ids.shape[1])[None]
    np.testing.assert_allclose(network.logits(network(embeddings, positions)), expected["logits"], atol=TOLERANCE)


@pytest.mark.parametrize("name", ["qwen_1img", "olmo_1img", "qwen_2img"])
@torch.inference_mode()
def test_greedy_tokens_with_the_cache_are_the_reference_tokens(name):
    network, prompt, expected = _case(name)
    wanted = expected["generated_ids"][0].tolist()
    length = prompt.ids.shape[1]
    cache = KvCache(network.config.decoder, 1, length + len(wanted))
    embeddings, _ = network.embed_prompt(prompt)
    answer, position = [], torch.arange(length)[None]
    for _ in wanted:
        token = network.logits(network(embeddings, position, cache)[:, -1]).argmax(-1)
        answer.append(int(token))
        embeddings, position = network.embed(token[None]), torch.tensor([[cache.length]])
    assert answer == wanted


@torch.inference_mode()
def test_several_tokens_at_once_after_the_cache_equal_one_by_one():
    network, prompt, expected = _case("qwen_1img")
    length, tokens = prompt.ids.shape[1], expected["generated_ids"][:, :6]
    embeddings, _ = network.embed_prompt(prompt)
    cache = KvCache(network.config.decoder, 1, length + 6)
    network(embeddings, torch.arange(length)[None], cache)
    together = network.logits(network(network.embed(tokens), length + torch.arange(6)[None], cache))
    np.testing.assert_allclose(together[0, :-1], expected["generated_logits"][0, 1:6], atol=TOLERANCE)


def test_the_published_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = MolmoActNetwork(molmoact_7b_d())
    assert sum(p.numel() for p in network.parameters()) == 8_119_417_808
