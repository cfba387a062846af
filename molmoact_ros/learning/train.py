"""Train the embedded model on a CPU: Muon for the decoder's matrices, AdamW for the rest, a time budget."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ..model.config import embedded
from ..model.network import MolmoActNetwork
from ..reasoning.manifest import manifest_path, pin, save_manifest
from ..runtime.factory import drop_graphs
from .dataset import Dataset
from .demonstrations import MODEL_IMAGE
from .expert import DT_S, HORIZON
from .objective import loss
from .samples import ACTION_CODEC, ACTION_DIMS, STATE_CODEC, WORDS, Sampler

LOG_EVERY = 100
_KEY = "embedded"
STATISTICS = {
    _KEY: {
        "action": {"q01": list(ACTION_CODEC.q01), "q99": list(ACTION_CODEC.q99)},
        "proprio": {"q01": list(STATE_CODEC.q01), "q99": list(STATE_CODEC.q99)},
    }
}
EMBEDDED_MANIFEST = {
    "name": "embedded-pick",
    "layout": "embedded",
    "source": "molmoact train embedded",
    "license": "Apache-2.0",
    "cameras": ["front"],
    "arms": 1,
    "horizon": HORIZON,
    "control_rate_hz": 1 / DT_S,
    "action_frame": "absolute_base",
    "gripper": "open_is_1",
    "unnorm_key": _KEY,
    "norm_stats": "norm_stats.json",
    "embedded": {
        "dims": list(ACTION_DIMS),
        # The gripper points down throughout the demonstrations; see the action convention in types.ActionChunk.
        "constant": [0.0, 0.0, 0.0, math.pi, 0.0, 0.0, 0.0],
        "image_size": list(MODEL_IMAGE),
    },
}


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how: minutes of wall time, the share of them spent lowering the rate, batch, rates, depth share."""

    minutes: float
    decay: float = 0.3
    batch: int = 32
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    depth_share: float = 0.0
    seed: int = 0
    checkpoint_s: float = 120.0


def initialise(network: MolmoActNetwork) -> None:
    """Give tables and heads the small random start that the norms expect."""
    decoder = network.model.transformer
    for table in (decoder.wte.embedding, decoder.wpe):
        torch.nn.init.normal_(table, std=0.1)
    for block in decoder.blocks:
        torch.nn.init.zeros_(block.self_attn.attn_out.weight)
        torch.nn.init.zeros_(block.mlp.ff_out.weight)
    torch.nn.init.normal_(network.lm_head.weight, std=0.02)


def optimizers(network: MolmoActNetwork, plan: TrainingPlan) -> list:
    """Split the parameters: two-dimensional weights of the decoder's blocks to Muon, everything else to AdamW."""
    matrices = [p for p in network.model.transformer.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=plan.muon_rate, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=plan.adam_rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def rate_factor(progress: float, decay: float, warmup: float = 0.005) -> float:
    """Return the learning-rate factor at `progress` 0..1: warm-up, plateau, then a straight line to 2 %."""
    if progress < warmup:
        return progress / warmup
    return min(1.0, max(0.02, (1 - progress) / max(decay, 1e-9)))


def save(network: MolmoActNetwork, folder) -> None:
    """Write config, weights, statistics and, beside the folder, the manifest; interrupted, the old weights stay."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(network.config.to_dict(), indent=1))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "partial.safetensors")
    (folder / "partial.safetensors").rename(folder / "model.safetensors")
    drop_graphs(folder)
    (folder / "norm_stats.json").write_text(json.dumps(STATISTICS, indent=1) + "\n")
    save_manifest(manifest_path(folder), EMBEDDED_MANIFEST)
    pin(folder)


def train(data: Dataset, output, plan: TrainingPlan, depth_codes=None, resume=None, weights=None, say=print) -> Path:
    """Train for `plan.minutes` and return the checkpoint folder; `resume` is a checkpoint to start from."""
    torch.manual_seed(plan.seed)
    network = MolmoActNetwork(embedded(WORDS)).to(memory_format=torch.channels_last)
    if resume:
        network.load_state_dict(load_file(Path(resume) / "model.safetensors"))
    else:
        initialise(network)
    sampler = Sampler(data, network.config, depth_codes, plan.seed, weights)
    steps, parts_seen = 0, []
    optimisers = optimizers(network, plan)
    started = saved = time.monotonic()
    while (progress := (time.monotonic() - started) / (60 * plan.minutes)) < 1:
        for optimiser, rate in zip(optimisers, (plan.muon_rate, plan.adam_rate)):
            optimiser.param_groups[0]["lr"] = rate * rate_factor(progress, plan.decay)
        with_depth = sampler.rng.random() < plan.depth_share
        total, parts = loss(network, sampler.draw(plan.batch, with_depth))
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        steps += 1
        parts_seen.append(parts)
        if steps % LOG_EVERY == 0:
            say(_progress(steps, steps * plan.batch / (time.monotonic() - started), parts_seen))
            parts_seen = []
        if time.monotonic() - saved > plan.checkpoint_s:
            save(network, output)
            saved = time.monotonic()
    save(network, output)
    if parts_seen:
        say(_progress(steps, steps * plan.batch / (time.monotonic() - started), parts_seen))
    return Path(output)


def _progress(steps: int, rate: float, parts: list[dict]) -> str:
    """One line: the mean of every loss since the line before; not every batch has every part."""
    names = sorted({name for part in parts for name in part})
    means = {name: np.mean([part[name] for part in parts if name in part]) for name in names}
    return f"step {steps} ({rate:.0f} samples/s): " + " ".join(f"{k} {v:.3f}" for k, v in means.items())
