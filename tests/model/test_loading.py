"""Loading a folder in the published layout: types, families, and the first mismatch by name."""

import published_checkpoint as published
import pytest
import torch

import molmoact_ros.model
from molmoact_ros.errors import MolmoActError

KEY = "model.transformer.ln_f.weight"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return published.build(tmp_path_factory.mktemp("loading") / "model")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", torch.bfloat16])
def test_fp32_shards_are_cast_while_loading(good, dtype):
    network = molmoact_ros.model.load(good, dtype=dtype)
    wanted = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    assert {p.dtype for p in network.parameters()} == {wanted} and not network.training
    weights = published.random_weights(published.config())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights[name].to(wanted)), name


def test_the_other_family_loads_and_pad_embed_is_not_missed(tmp_path):
    network = molmoact_ros.model.load(published.build(tmp_path / "olmo", family="olmo"))
    assert network.config.decoder.norm_after and published.PAD_EMBED not in network.state_dict()


def without(name):
    return lambda folder: published.change_tensors(folder, published.LANGUAGE, lambda t: t.pop(name))


def with_tensor(name, tensor):
    return lambda folder: published.change_tensors(folder, published.LANGUAGE, lambda t: t.update({name: tensor}))


def index_naming(file):
    def spoil(folder):
        index = published.read_json(folder / published.INDEX)
        index["weight_map"][KEY] = file
        published.write_json(folder / published.INDEX, index)

    return spoil


def only_a_pickle(folder):
    for path in [*folder.glob("*.safetensors"), folder / published.INDEX]:
        path.unlink()
    torch.save({}, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    "spoil, words",
    [
        (without(KEY), KEY),
        (with_tensor(KEY, torch.ones(3)), r"ln_f.weight' of shape \(3,\)"),
        (with_tensor("model.surprise", torch.ones(3)), "unexpected tensor 'model.surprise'"),
        (with_tensor(KEY, torch.ones(16, dtype=torch.int32)), "I32"),
        (with_tensor(KEY, torch.full((16,), float("nan"))), "NaN or infinity"),
        (lambda f: (f / published.VISION).unlink(), published.VISION),
        (lambda f: published.truncate(f / published.VISION), published.VISION),
        (index_naming("../elsewhere.safetensors"), "elsewhere"),
        (only_a_pickle, "pytorch_model.bin' is a pickle"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: published.change_config(f, "llm_config", hidden_size=...), "hidden_size"),
        (lambda f: published.change_config(f, "llm_config", rope_scaling={"factor": 2}), "rope_scaling"),
        (lambda f: published.change_config(f, "vit_config", hidden_act="relu6"), "relu6"),
        (lambda f: published.change_config(f, vit_config=...), "vit_config"),
    ],
)
def test_the_first_mismatch_is_named_in_one_line(good, tmp_path, spoil, words):
    folder = published.clone(good, tmp_path / "model")
    spoil(folder)
    with pytest.raises(MolmoActError, match=words) as refused:
        molmoact_ros.model.load(folder)
    assert "\n" not in str(refused.value)
