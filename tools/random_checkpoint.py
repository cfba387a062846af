"""Write a checkpoint of random weights in the published layout: `.venv/bin/python tools/random_checkpoint.py FOLDER`.

It has every file that the native code reads of a MolmoAct checkpoint, at full size (7b-d, 7b-o) or with a small network
(30m, tiny), and FOLDER.yaml, its manifest, beside it. It serves to measure loading; what it answers is noise.

Weights are one block of normal numbers (deviation 0.02) that repeats from tensor to tensor, norm weights are 1. Memory
stays at a few times that block, because tensors go straight to the file. Names and shapes are those of the network that
config.json describes. Exit code 1 with one line on stderr when something is in the way, 2 for a wrong usage.
"""

import argparse
import json
import math
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Iterator

import torch

from molmoact_ros.errors import InvalidData, MissingPart, MolmoActError
from molmoact_ros.model.image_processor import ImageProcessorConfig
from molmoact_ros.model.network import MolmoActNetwork
from molmoact_ros.model.published_config import from_published
from molmoact_ros.reasoning.manifest import manifest_path, pin, save_manifest

TOKENIZER = Path(__file__).resolve().parent.parent / "models" / "qwen2_tokenizer"
# A prime, so that no two rows of a matrix are alike.
BLOCK = 4_194_301
DEVIATION = 0.02
# What the reference saves at most in one file.
SHARD_BYTES = 5_000_000_000
SPARE_BYTES = 100_000_000
DTYPES = {"float32": (torch.float32, torch.int32, "F32"), "bfloat16": (torch.bfloat16, torch.int16, "BF16")}

QWEN = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "qkv_bias": True,
    "use_qk_norm": False,
    "norm_after": False,
    "rope_theta": 1000000.0,
}
OLMO = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 128,
    "intermediate_size": 11008,
    "vocab_size": 100864,
    "qkv_bias": False,
    "use_qk_norm": True,
    "norm_after": True,
    "rope_theta": 500000.0,
}
SIGLIP = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "head_dim": 72,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "image_default_input_size": [378, 378],
    "image_num_pos": 729,
    "use_cls_token": False,
    "patch_bias": True,
    "pre_layernorm": False,
}
CLIP = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "head_dim": 64,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "image_default_input_size": [336, 336],
    "image_num_pos": 577,
    "use_cls_token": True,
    "patch_bias": False,
    "pre_layernorm": True,
}
# The vocabulary and the image sizes of 7b-d, so that its tokenizer and its image settings fit.
TINY = {"hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 32}
# About 30 million parameters in the decoder's blocks: what a CPU computes in a few milliseconds.
SMALL = {
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 1856,
}
SMALL_EYE = {"hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32}
# size -> llm, vit, taps of the vit, filling of absent patches, image settings
SIZES = {
    "7b-d": (QWEN, SIGLIP, [-3, -9], None, ImageProcessorConfig.molmoact_7b_d()),
    "7b-o": (OLMO, CLIP, [-2, -9], "pad_and_partial_pad", ImageProcessorConfig.molmoact_7b_o()),
    "30m": (
        QWEN | SMALL,
        SIGLIP | SMALL_EYE | {"intermediate_size": 344, "num_hidden_layers": 9},
        [-3, -9],
        None,
        ImageProcessorConfig.molmoact_7b_d(),
    ),
    "tiny": (
        QWEN | TINY | {"num_hidden_layers": 2},
        SIGLIP | TINY | {"num_hidden_layers": 9},
        [-3, -9],
        None,
        ImageProcessorConfig.molmoact_7b_d(),
    ),
}


def published_config(size: str, dtype: str) -> dict:
    """Return config.json as the reference writes it (spec section 1.2); nobody has seen one of 7b-o exported."""
    llm, vit, taps, padding, images = SIZES[size]
    vit = {"model_type": "molmoact_vit", **vit, "num_key_value_heads": vit["num_attention_heads"]}
    dropouts = {"attention_dropout": 0.0, "residual_dropout": 0.0, "initializer_range": 0.02}
    adapter = {name: vit[name] for name in ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")}
    adapter |= {"text_hidden_size": llm["hidden_size"], "intermediate_size": llm["intermediate_size"]}
    adapter |= {"vit_layers": taps, "image_padding_embed": padding, "image_feature_dropout": 0.0}
    return {
        "architectures": ["MolmoActForActionReasoning"],
        "model_type": "molmoact",
        "torch_dtype": dtype,
        "image_patch_id": llm["vocab_size"] + 2,
        "initializer_range": 0.02,
        "n_action_bins": 256,
        "norm_stats": {"random": {"action": action_statistics()}},
        "tie_word_embeddings": False,
        "use_cache": True,
        "vit_config": vit | dropouts | {"image_patch_size": images.image_patch_size, "float32_attention": True},
        "adapter_config": {"model_type": "", "hidden_act": "silu", "float32_attention": True, **adapter, **dropouts},
        "llm_config": llm | dropouts | family(),
    }


def family() -> dict:
    """Return the fields of llm_config that both published families share."""
    return {
        "model_type": "molmoact_llm",
        "additional_vocab_size": 128,
        "hidden_act": "silu",
        "layer_norm_eps": 1e-6,
        "max_position_embeddings": 4096,
        "qk_norm_type": "olmo",
        "rope_scaling": None,
        "embedding_dropout": 0.0,
        "use_cache": True,
    }


def action_statistics() -> dict:
    """Return made-up statistics of seven action dimensions: steps of 3 cm and 0.1 rad, gripper 0 to 1."""
    low, high = [-0.03] * 3 + [-0.1] * 3 + [0.0], [0.03] * 3 + [0.1] * 3 + [1.0]
    middle = [0.0] * 6 + [0.5]
    ends = {"min": low, "max": high, "q01": low, "q99": high, "mean": middle, "std": [end / 2 for end in high]}
    return ends | {"mask": [True] * 6 + [False]}


def tensor_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor of a published checkpoint with this config.json, in the order of saving."""
    with torch.device("meta"):
        network = MolmoActNetwork(from_published(config))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    adapter = config["adapter_config"]
    if adapter["image_padding_embed"]:
        # Used in training alone, so the network has no such parameter.
        taps = len(adapter["vit_layers"])
        shapes["model.vision_backbone.pad_embed"] = (2, config["vit_config"]["hidden_size"] * taps)
    return shapes


def split(shapes: dict, itemsize: int, most: int) -> list[dict]:
    """Cut the tensors, in order, into shards of at most `most` bytes; a larger tensor is a shard of its own."""
    shards, room = [], 0
    for name, shape in shapes.items():
        size = math.prod(shape) * itemsize
        if size > room or not shards:
            shards.append({})
            room = most
        shards[-1][name], room = shape, room - size
    return shards


class RandomBytes:
    """Endless pseudo-random weights of one type, as bytes."""

    def __init__(self, dtype: str, seed: int):
        self.stored, bits, self.name = DTYPES[dtype]
        self.itemsize = self.stored.itemsize
        noise = torch.randn(BLOCK, generator=torch.Generator().manual_seed(seed)) * DEVIATION
        self._noise, self._ones = (
            memoryview(values.to(self.stored).view(bits).numpy()).cast("B") for values in (noise, torch.ones(BLOCK))
        )
        self._start = 0

    def of(self, name: str, size: int) -> Iterator[memoryview]:
        """Yield the `size` bytes of one tensor in pieces; every tensor starts where the last one ended."""
        norm = name.endswith(("norm.weight", "ln_f.weight", "pre_ln.weight"))
        block = self._ones if norm else self._noise
        while size:
            piece = block[self._start : self._start + size]
            yield piece
            size -= len(piece)
            self._start = (self._start + len(piece)) % len(block)


def write_shard(path: Path, shapes: dict, values: RandomBytes) -> int:
    """Write one safetensors file, tensor by tensor; return the number of bytes of its tensors."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * values.itemsize
        header[name] = {"dtype": values.name, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            file.writelines(values.of(name, math.prod(shape) * values.itemsize))
    return end


def write_weights(folder: Path, shards: list[dict], values: RandomBytes) -> None:
    """Write all shards, and last their index: without it a checkpoint that was not finished cannot be loaded."""
    where, total = {}, 0
    for i, shapes in enumerate(shards, 1):
        started, name = time.perf_counter(), f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        size = write_shard(folder / name, shapes, values)
        where |= dict.fromkeys(shapes, name)
        total += size
        print(f"{name}: {len(shapes)} tensors, {size / 1e9:.2f} GB, {time.perf_counter() - started:.0f} s", flush=True)
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def write_settings(folder: Path, config: dict, size: str) -> None:
    """Write config, image settings and tokenizer, where there is one: that of 7b-o is not part of this project."""
    write_json(folder / "config.json", config)
    images = asdict(SIZES[size][-1]) | {"do_convert_rgb": True, "do_pad": True}
    write_json(folder / "preprocessor_config.json", images | {"image_processor_type": "MolmoActImageProcessor"})
    if size == "7b-o":
        print("7b-o: no tokenizer files, so it can be loaded but not asked")
        return
    for path in TOKENIZER.iterdir():
        shutil.copy(path, folder)
    end = json.loads((TOKENIZER / "added_tokens.json").read_text())["<|endoftext|>"]
    write_json(folder / "generation_config.json", {f"{role}_token_id": end for role in ("bos", "eos", "pad")})


def manifest(options: argparse.Namespace) -> dict:
    """Return the statements of FOLDER.yaml, which hold because somebody made them up."""
    return {
        "name": f"random-{options.size}",
        "layout": "molmoact_v1",
        "source": f"tools/random_checkpoint.py --size {options.size} --dtype {options.dtype} --seed {options.seed}",
        "dtype": "bfloat16" if options.size in ("7b-d", "7b-o") else "float32",
        "cameras": ["front", "wrist"],
        "arms": 1,
        "horizon": 8,
        "control_rate_hz": 10.0,
        "action_frame": "delta_base",
        "gripper": "open_is_1",
        "unnorm_key": "random",
        "unverified": [],
    }


def write_json(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n")


def require_room(folder: Path, size: int) -> None:
    """Refuse a folder that holds something, and a disk that is too small, before anything is written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) or manifest_path(folder).exists():
        do = "Name another one, or remove this one and its manifest."
        raise InvalidData(f"'{folder}' or its manifest is there already", "a new folder", do)
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free, needed = shutil.disk_usage(there).free, size + SPARE_BYTES
    if free < needed:
        found, expected = f"{free / 1e9:.1f} GB free at '{there}'", f"{needed / 1e9:.1f} GB"
        raise MissingPart(found, expected, "Name a folder on another disk, or choose --dtype bfloat16 or --size tiny.")


def write_checkpoint(options: argparse.Namespace) -> None:
    """Write folder and manifest. InvalidData or MissingPart when there is no room for them."""
    folder, started = Path(options.folder).resolve(), time.perf_counter()
    config = published_config(options.size, options.dtype)
    shapes, values = tensor_shapes(config), RandomBytes(options.dtype, options.seed)
    parameters = sum(map(math.prod, shapes.values()))
    require_room(folder, parameters * values.itemsize)
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, config, options.size)
    write_weights(folder, split(shapes, values.itemsize, options.shard_bytes), values)
    save_manifest(manifest_path(folder), manifest(options))
    if options.pin:
        pin(folder)
    print(f"{folder}: {parameters:,} parameters in {options.dtype}, {time.perf_counter() - started:.0f} s")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder to write; FOLDER.yaml, its manifest, is written beside it")
    parser.add_argument("--size", choices=list(SIZES), default="7b-d", help="which network")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="type in the files; released: float32")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers")
    parser.add_argument("--shard-bytes", type=int, default=SHARD_BYTES, help="most bytes of one file")
    parser.add_argument("--pin", action="store_true", help="write the checksums of the files into the manifest, too")
    options = parser.parse_args(arguments)
    try:
        write_checkpoint(options)
    except (MolmoActError, OSError) as error:
        print(f"[random_checkpoint] error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
