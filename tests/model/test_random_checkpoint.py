"""The random checkpoints of tools/random_checkpoint.py: published layout, loadable, and how the loader reads them."""

import importlib.util
import json
import math
import weakref

import published_checkpoint
import pytest
import torch
from answer_texts import ROOT
from safetensors.torch import load_file, save_file

import molmoact_ros.model
from molmoact_ros.arms.profile import FR3
from molmoact_ros.errors import InvalidData
from molmoact_ros.model.config import molmoact_7b_d
from molmoact_ros.model.published_config import from_published
from molmoact_ros.model.shards import Shards
from molmoact_ros.reasoning.gate import Station, examine, first_refusal

_spec = importlib.util.spec_from_file_location("random_checkpoint", ROOT / "tools" / "random_checkpoint.py")
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    assert script.main([str(folder), "--size", "tiny", "--shard-bytes", "12000000", "--pin"]) == 0
    return folder


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_tensor_is_loaded_from_its_shard(tiny, dtype):
    state = molmoact_ros.model.load(tiny, dtype).state_dict()
    files = sorted(tiny.glob("*.safetensors"))
    stored = {name: tensor for path in files for name, tensor in load_file(path).items()}
    assert len(files) == 2 and state.keys() == stored.keys()
    assert all(torch.equal(tensor, stored[name].to(getattr(torch, dtype))) for name, tensor in state.items())


def test_the_gate_finds_nothing_without_loading_it(tiny):
    _, checks = examine(tiny, Station(FR3))
    assert first_refusal(checks) is None and len(checks) == 7


def test_weights_are_noise_that_does_not_repeat_from_row_to_row(tiny):
    state = molmoact_ros.model.load(tiny).state_dict()
    table = state["model.transformer.wte.embedding"]
    assert abs(table.std() - 0.02) < 1e-4 and abs(table.mean()) < 1e-4
    assert len(torch.unique(table[:10_000], dim=0)) == 10_000
    assert not torch.equal(table[:100], state["lm_head.weight"][:100])
    norms = [state[name] for name in state if name.endswith("norm.weight")]
    assert len(norms) > 10 and all(bool((norm == 1).all()) for norm in norms)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_files_of_the_type_asked_for(tmp_path, dtype):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert script.main([str(tmp_path / name), "--size", "tiny", "--dtype", dtype, "--seed", seed]) == 0
    a, b, c = ((tmp_path / name / "model-00001-of-00001.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    assert {str(t.dtype) for t in load_file(tmp_path / "a/model-00001-of-00001.safetensors").values()} == {
        f"torch.{dtype}"
    }


def test_one_tensor_is_in_memory_at_a_time_and_the_largest_come_first(tiny, monkeypatch):
    """What keeps the peak low: a stored fp32 tensor is gone before the next is read, and the large ones go early."""
    sizes, before, read = [], [], Shards.read

    def noted(self, name):
        assert not before or before.pop()() is None, f"the tensor before '{name}' is still in memory"
        tensor = read(self, name)
        sizes.append(tensor.numel())
        before.append(weakref.ref(tensor))
        return tensor

    monkeypatch.setattr(Shards, "read", noted)
    network = molmoact_ros.model.load(tiny, "bfloat16")
    assert sum(sizes) == sum(p.numel() for p in network.parameters())
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("value, dtype", [(math.nan, "bfloat16"), (-math.inf, "float32"), (1e5, "float16")])
def test_a_weight_that_is_not_finite_in_memory_is_refused(tmp_path, value, dtype):
    folder = tmp_path / "tiny"
    assert script.main([str(folder), "--size", "tiny"]) == 0
    path = folder / "model-00001-of-00001.safetensors"
    state = load_file(path)
    state["lm_head.weight"][5, 3] = value
    save_file(state, path)
    with pytest.raises(InvalidData, match="lm_head.weight.*NaN or infinity"):
        molmoact_ros.model.load(folder, dtype)


def test_the_full_size_is_that_of_the_released_model():
    config = script.published_config("7b-d", "float32")
    assert from_published(config) == molmoact_7b_d()
    shapes = script.tensor_shapes(config)
    assert sum(map(math.prod, shapes.values())) == 8_119_417_808
    shards = script.split(shapes, 4, script.SHARD_BYTES)
    assert len(shards) == 7 and {name: shape for shard in shards for name, shape in shard.items()} == shapes
    assert max(sum(map(math.prod, shard.values())) * 4 for shard in shards) <= 5e9


@pytest.mark.parametrize("size", ["7b-d", "7b-o", "tiny"])
def test_names_and_shapes_are_the_published_ones(size):
    """Against the spec as written down for the tests, not against the network."""
    config = script.published_config(size, "float32")
    assert script.tensor_shapes(config) == published_checkpoint.shapes(config)


def test_what_is_in_the_way_is_one_line_and_nothing_is_written(tiny, tmp_path, monkeypatch, capsys):
    assert script.main([str(tiny), "--size", "tiny"]) == 1
    assert "is there already" in capsys.readouterr().err
    usage = script.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(script.shutil, "disk_usage", lambda _: usage._replace(free=30_000_000_000))
    assert script.main([str(tmp_path / "deep" / "7b")]) == 1
    said = capsys.readouterr().err
    assert "30.0 GB free" in said and "expected 32.6 GB" in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_7b_o_brings_the_padding_embedding_and_no_tokenizer(tmp_path, capsys):
    config = script.published_config("7b-o", "float32")
    assert script.tensor_shapes(config)["model.vision_backbone.pad_embed"] == (2, 2048)
    script.write_settings(tmp_path, config, "7b-o")
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "preprocessor_config.json"}
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["base_image_input_size"] == [336, 336]
