"""Write a small checkpoint as the released ones are laid out: file names, config fields, tensor names, fp32 shards.

Names and shapes are written down here from spec sections 1.2 to 1.4, not asked of the network that will read them.
"""

import json
import shutil
from pathlib import Path
from typing import Mapping

import torch
import yaml
from answer_texts import ROOT
from safetensors.torch import save_file

from molmoact_ros.reasoning.manifest import pin

TOKENIZER = ROOT / "models" / "qwen2_tokenizer"
INDEX = "model.safetensors.index.json"
VOCABULARY, ADDED = 152064, 128
TABLES, LANGUAGE, VISION = (f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3))
PAD_EMBED = "model.vision_backbone.pad_embed"
# Rows of a delta action at 5 Hz that an FR3 can do: 2 cm and 0.05 rad each, with uneven percentiles.
LOW = [-0.021, -0.018, -0.02, -0.052, -0.049, -0.05, 0.0]
HIGH = [0.019, 0.022, 0.02, 0.048, 0.051, 0.047, 1.0]

_LLM_FAMILY = {
    "qwen": {"qkv_bias": True, "use_qk_norm": False, "norm_after": False, "rope_theta": 1000000.0},
    "olmo": {"qkv_bias": False, "use_qk_norm": True, "norm_after": True, "rope_theta": 500000.0},
}
# Towers that are 3 blocks deep on paper; the topmost tap leaves 2 of them.
_VIT_FAMILY = {
    "qwen": {
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
        "image_default_input_size": [378, 378],
        "image_num_pos": 729,
        "use_cls_token": False,
        "patch_bias": True,
        "pre_layernorm": False,
    },
    "olmo": {
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "image_default_input_size": [336, 336],
        "image_num_pos": 577,
        "use_cls_token": True,
        "patch_bias": False,
        "pre_layernorm": True,
    },
}
_DROPOUTS = {"attention_dropout": 0.0, "residual_dropout": 0.0, "initializer_range": 0.02}


def action_statistics(arms: int = 1) -> dict:
    """Return norm_stats of one key, as in spec section 6.3; only the last value is masked out."""
    mask = [True] * (7 * arms - 1) + [False]
    ends = {"q01": LOW * arms, "q99": HIGH * arms, "min": LOW * arms, "max": HIGH * arms}
    middle = {"mean": [0.0] * 7 * arms, "std": [0.01] * 7 * arms}
    return {"test_arm": {"action": {**ends, **middle, "mask": mask}, "num_transitions": 100, "num_trajectories": 2}}


def config(family: str = "qwen", arms: int = 1, hidden: int = 16, layers: int = 2) -> dict:
    """Return config.json of a network of that family, `hidden` wide (a multiple of 8)."""
    vit = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    return {
        "architectures": ["MolmoActForActionReasoning"],
        "model_type": "molmoact",
        "image_patch_id": VOCABULARY + 2,
        "initializer_range": 0.02,
        "n_action_bins": 256,
        "norm_stats": action_statistics(arms),
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "llm_config": {
            "model_type": "molmoact_llm",
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": hidden // 8,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "intermediate_size": 2 * hidden,
            "hidden_act": "silu",
            "vocab_size": VOCABULARY,
            "additional_vocab_size": ADDED,
            "layer_norm_eps": 1e-6,
            "rope_scaling": None,
            "qk_norm_type": "olmo",
            "max_position_embeddings": 4096,
            "embedding_dropout": 0.0,
            "use_cache": True,
            **_LLM_FAMILY[family],
            **_DROPOUTS,
        },
        "vit_config": {
            "model_type": "molmoact_vit",
            "image_patch_size": 14,
            "float32_attention": True,
            **vit,
            **heads,
            **_VIT_FAMILY[family],
            **_DROPOUTS,
        },
        "adapter_config": {
            "model_type": "",
            "vit_layers": [-2, -3],
            "hidden_size": 16,
            **heads,
            "head_dim": 8,
            "intermediate_size": 2 * hidden,
            "text_hidden_size": hidden,
            "float32_attention": True,
            "hidden_act": "silu",
            "image_feature_dropout": 0.0,
            "image_padding_embed": "pad_and_partial_pad" if family == "olmo" else None,
            **_DROPOUTS,
        },
    }


def shapes(settings: Mapping) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor of a checkpoint with this config.json (spec section 1.4)."""
    llm, vit, adapter = (settings[f"{section}_config"] for section in ("llm", "vit", "adapter"))
    width = llm["hidden_size"]
    found = {
        "lm_head.weight": (llm["vocab_size"], width),
        "model.transformer.wte.embedding": (llm["vocab_size"], width),
        "model.transformer.wte.new_embedding": (llm["additional_vocab_size"], width),
        "model.transformer.ln_f.weight": (width,),
    }
    for i in range(llm["num_hidden_layers"]):
        found |= {f"model.transformer.blocks.{i}.{name}": shape for name, shape in _block(llm).items()}
    return found | {f"model.vision_backbone.{name}": shape for name, shape in _vision(vit, adapter, width).items()}


def _block(llm: Mapping) -> dict:
    width, inner = llm["hidden_size"], llm["intermediate_size"]
    q, kv = (llm[f"num_{kind}_heads"] * llm["head_dim"] for kind in ("attention", "key_value"))
    found = {
        "attn_norm.weight": (width,),
        "self_attn.att_proj.weight": (q + 2 * kv, width),
        "self_attn.attn_out.weight": (width, q),
        "ff_norm.weight": (width,),
        "mlp.ff_proj.weight": (2 * inner, width),
        "mlp.ff_out.weight": (width, inner),
    }
    if llm["qkv_bias"]:
        found["self_attn.att_proj.bias"] = (q + 2 * kv,)
    if llm["use_qk_norm"]:
        found |= {"self_attn.q_norm.weight": (q,), "self_attn.k_norm.weight": (kv,)}
    return found


def _vision(vit: Mapping, adapter: Mapping, width: int) -> dict:
    inside, taps = vit["hidden_size"], len(adapter["vit_layers"])
    pooled, inner = adapter["hidden_size"], adapter["intermediate_size"]
    found = {
        "image_vit.positional_embedding": (vit["image_num_pos"], inside),
        "image_vit.patch_embedding.weight": (inside, 3 * vit["image_patch_size"] ** 2),
        **_linear("image_pooling_2d.wo", pooled, adapter["num_attention_heads"] * adapter["head_dim"]),
        "image_projector.w1.weight": (inner, pooled),
        "image_projector.w3.weight": (inner, pooled),
        "image_projector.w2.weight": (width, inner),
    }
    if vit["patch_bias"]:
        found["image_vit.patch_embedding.bias"] = (inside,)
    for name in ("wq", "wk", "wv"):
        rows = adapter["num_attention_heads"] * adapter["head_dim"]
        found |= _linear(f"image_pooling_2d.{name}", rows, taps * inside)
    if vit["use_cls_token"]:
        found["image_vit.class_embedding"] = (inside,)
    if vit["pre_layernorm"]:
        found |= _norm("image_vit.pre_ln", inside)
    if adapter["image_padding_embed"]:
        found["pad_embed"] = (2, taps * inside)
    for i in range(vit["num_hidden_layers"] + max(adapter["vit_layers"]) + 1):
        found |= _vit_block(f"image_vit.transformer.resblocks.{i}", vit)
    return found


def _vit_block(prefix: str, vit: Mapping) -> dict:
    inside, inner, heads = vit["hidden_size"], vit["intermediate_size"], vit["num_attention_heads"] * vit["head_dim"]
    found = {**_norm(f"{prefix}.attention_norm", inside), **_norm(f"{prefix}.ffn_norm", inside)}
    for name in ("wq", "wk", "wv"):
        found |= _linear(f"{prefix}.attention.{name}", heads, inside)
    found |= _linear(f"{prefix}.attention.wo", inside, heads)
    found |= _linear(f"{prefix}.feed_forward.w1", inner, inside)
    return found | _linear(f"{prefix}.feed_forward.w2", inside, inner)


def _linear(name: str, rows: int, columns: int) -> dict:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _norm(name: str, size: int) -> dict:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def random_weights(settings: Mapping, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return random fp32 weights that keep numbers near 1; norms are 1."""
    generator, weights = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes(settings).items():
        if "norm.weight" in name or name.endswith(("ln_f.weight", "pre_ln.weight")):
            weights[name] = torch.ones(shape)
            continue
        scale = 0.3 if name.endswith("embedding") else 0.7 * shape[-1] ** -0.5
        weights[name] = torch.randn(shape, generator=generator) * scale
    return weights


def build(folder, family: str = "qwen", arms: int = 1, horizon: int = 1, **sizes) -> Path:
    """Write a checkpoint of random weights and its pinned manifest `<folder>.yaml`; return the folder."""
    settings = config(family, arms, **sizes)
    save(folder, settings, random_weights(settings), horizon)
    return Path(folder)


def save(folder, settings: Mapping, weights: Mapping[str, torch.Tensor], horizon: int) -> None:
    """Write all files of a checkpoint: weights in three shards, tables apart from what tests like to spoil."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    where = {name: _shard_of(name) for name in weights}
    for shard in (TABLES, LANGUAGE, VISION):
        save_file({name: weights[name].contiguous() for name in weights if where[name] == shard}, folder / shard)
    total = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": where})
    write_json(folder / "config.json", settings)
    write_json(folder / "preprocessor_config.json", image_settings(settings))
    write_json(folder / "generation_config.json", {"bos_token_id": 151643, "eos_token_id": 151643})
    for path in TOKENIZER.iterdir():
        shutil.copy(path, folder)
    arms = len(settings["norm_stats"]["test_arm"]["action"]["q01"]) // 7
    manifest_of(folder).write_text("# Made for a test.\n" + yaml.safe_dump(statements(arms, horizon), sort_keys=False))
    pin(folder)


def _shard_of(name: str) -> str:
    if name in ("lm_head.weight", "model.transformer.wte.embedding"):
        return TABLES
    return VISION if "vision_backbone" in name else LANGUAGE


def image_settings(settings: Mapping) -> dict:
    """Return preprocessor_config.json: that of 7B-D, or of 7B-O where the tower is of the CLIP type."""
    clip = settings["vit_config"]["use_cls_token"]
    return {
        "base_image_input_size": settings["vit_config"]["image_default_input_size"],
        "crop_mode": "overlap-and-resize-c2",
        "do_convert_rgb": True,
        "do_pad": True,
        "image_patch_size": settings["vit_config"]["image_patch_size"],
        "image_pooling_h": 2,
        "image_pooling_w": 2,
        "image_processor_type": "MolmoActImageProcessor",
        "max_crops": 8,
        "max_multi_image_crops": 8,
        "normalize_mode": "openai" if clip else "siglip",
        "overlap_margins": [4, 4],
        "pad_value": 0.0,
        "resize_mode": "default" if clip else "siglip",
    }


def statements(arms: int = 1, horizon: int = 1) -> dict:
    """Return the manifest of such a checkpoint, not yet pinned."""
    return {
        "name": "test-checkpoint",
        "layout": "molmoact_v1",
        "source": "tests/published_checkpoint.py",
        "dtype": "float32",
        "cameras": ["front", "wrist"],
        "arms": arms,
        "horizon": horizon,
        "control_rate_hz": 5.0,
        "action_frame": "delta_base",
        "gripper": "open_is_1",
        "unnorm_key": "test_arm",
    }


def manifest_of(folder) -> Path:
    """Return where the manifest of a checkpoint folder stands."""
    folder = Path(folder)
    return folder.with_name(folder.name + ".yaml")


def read_json(path):
    """Read one JSON file."""
    return json.loads(Path(path).read_text())


def write_json(path, data) -> None:
    """Write one JSON file as the reference does."""
    # a new file, never the old one's bytes: copies of a checkpoint share their files by hard links
    Path(path).unlink(missing_ok=True)
    Path(path).write_text(json.dumps(data, indent=2, sort_keys=True))


def clone(folder, target) -> Path:
    """Copy a checkpoint and its manifest; big files are hard links, so replace them and never write into them."""
    shutil.copytree(folder, target, copy_function=lambda a, b: Path(b).hardlink_to(a))
    shutil.copy(manifest_of(folder), manifest_of(target))
    return Path(target)


def change_config(folder, section: str | None = None, **values) -> None:
    """Set fields of config.json, at its top or in a section; Ellipsis removes a field."""
    path = Path(folder) / "config.json"
    data = read_json(path)
    place = data if section is None else data[section]
    for name, value in values.items():
        place.pop(name, None)
        if value is not ...:
            place[name] = value
    write_json(path, data)


def change_tensors(folder, shard: str, change) -> None:
    """Rewrite one shard with `change(tensors)`, which may alter the dict in place."""
    from safetensors.torch import load_file

    path = Path(folder) / shard
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    path.unlink()
    save_file(tensors, path)


def truncate(path, share: float = 0.6) -> None:
    """Cut a file off, as a broken download leaves it."""
    path = Path(path)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: int(len(data) * share)])
