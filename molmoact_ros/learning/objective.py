"""The training loss: soft targets for numbers, hard ones for depth codes, pointing maps for the eye."""

import torch
import torch.nn.functional as F

from ..model.conv_tower import soft_argmax
from ..model.network import MolmoActNetwork, Prompt
from .samples import Batch

COORDINATE_SIGMA = 1.5
BIN_SIGMA = 1.2
MAP_SIGMA_CELLS = 1.0
WEIGHTS = {"depth": 0.3, "trace": 1.0, "action": 1.0, "map": 0.3, "point": 3.0}


def soft_labels(targets, size: int, sigma: float):
    """Return (n, size) Gaussians around integer targets: neighbouring numbers are nearly right."""
    distance = torch.arange(size)[None] - targets[:, None]
    weights = torch.exp(-0.5 * (distance / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _soft_cross_entropy(logits, targets, sigma: float):
    return -(soft_labels(targets, logits.shape[-1], sigma) * logits.log_softmax(-1)).sum(-1).mean()


def number_losses(logits, targets, tokens) -> dict:
    """Return trace, action and depth losses for (n, vocab) logits and (n,) target ids; each over its own ids."""
    losses = {}
    coordinates = (targets >= tokens.coordinate_0) & (targets < tokens.bin_0)
    ends = targets == tokens.trace_end
    first, last = tokens.coordinate_0, tokens.coordinate_0 + tokens.coordinates
    losses["trace"] = _soft_cross_entropy(
        logits[coordinates][:, first:last], targets[coordinates] - first, COORDINATE_SIGMA
    )
    # "Nothing to point at" is a decision against every coordinate at once.
    mass = logits[coordinates | ends][:, first:last].logsumexp(-1)
    pair = torch.stack([mass, logits[coordinates | ends][:, tokens.trace_end]], dim=-1)
    losses["trace"] = losses["trace"] + F.cross_entropy(pair, ends[coordinates | ends].long())
    bins = targets >= tokens.bin_0
    losses["action"] = _soft_cross_entropy(logits[bins][:, tokens.bin_0 :], targets[bins] - tokens.bin_0, BIN_SIGMA)
    depth = (targets >= tokens.depth_0) & (targets < tokens.coordinate_0)
    if depth.any():
        sliced = logits[depth][:, tokens.depth_0 : tokens.coordinate_0]
        losses["depth"] = F.cross_entropy(sliced, targets[depth] - tokens.depth_0)
    return losses


def pointing_losses(maps, points, absent) -> dict:
    """Return map and point losses for (b, 2, h, w) logits and true positions (b, 2, 2) in 0..1.

    Absent objects are left out.
    """
    height, width = maps.shape[2:]
    cells = points * torch.tensor([width, height]) - 0.5
    xs, ys = torch.arange(width), torch.arange(height)
    along = torch.exp(-0.5 * ((xs - cells[..., :1]) / MAP_SIGMA_CELLS) ** 2)
    down = torch.exp(-0.5 * ((ys - cells[..., 1:]) / MAP_SIGMA_CELLS) ** 2)
    wanted = (down[..., :, None] * along[..., None, :]).flatten(2)
    inside = ((points > 0) & (points < 1)).all(-1)
    counted = inside & ~torch.stack([absent, torch.zeros_like(absent)], dim=1)
    wanted = wanted / wanted.sum(-1, keepdim=True).clamp(min=1e-6)
    flat = maps.flatten(2)
    cross_entropy = -(wanted * flat.log_softmax(-1)).sum(-1)
    distance = (soft_argmax(maps) - points).abs().sum(-1)
    return {"map": cross_entropy[counted].mean(), "point": distance[counted].mean()}


def loss(network: MolmoActNetwork, batch: Batch) -> tuple[torch.Tensor, dict]:
    """Return the weighted loss and its parts for one batch, teacher-forced."""
    tokens, head = network.config.tokens, batch.prompt_length
    prompt, maps = network.embed_prompt(Prompt(batch.ids[:, :head], batch.images))
    answer = network.embed(batch.ids[:, head:-1])
    hidden = network.decode(torch.cat([prompt, answer], dim=1), batch.positions[:, :-1])
    logits = network.logits(hidden[:, head - 1 :]).flatten(0, 1)
    parts = number_losses(logits, batch.ids[:, head:].flatten(), tokens)
    parts |= pointing_losses(maps, batch.points, batch.absent)
    total = sum(WEIGHTS[name] * value for name, value in parts.items())
    return total, {name: value.item() for name, value in parts.items()}
