"""The training loss: soft targets for numbers, hard ones for depth codes, pointing maps for the eye."""

from functools import cache

import torch
import torch.nn.functional as F

from ..model.conv_tower import soft_argmax
from ..model.network import MolmoActNetwork, Prompt
from .samples import Batch

COORDINATE_SIGMA = 1.5
BIN_SIGMA = 1.2
MAP_SIGMA_CELLS = 1.0
WEIGHTS = {"depth": 0.3, "trace": 1.0, "action": 1.0, "map": 0.3, "point": 3.0}


@cache
def soft_labels(size: int, sigma: float) -> torch.Tensor:
    """Return (size, size): row i is a Gaussian around i, for neighbouring numbers are nearly right."""
    numbers = torch.arange(size)
    weights = torch.exp(-0.5 * ((numbers[None] - numbers[:, None]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _soft_cross_entropy(logits, targets, sigma: float):
    labels = soft_labels(logits.shape[-1], sigma).to(logits.device)[targets]
    return -(labels * logits.log_softmax(-1)).sum(-1).mean()


def number_losses(logits, targets, tokens) -> dict:
    """Return trace, action and depth losses for (n, vocab) logits and (n,) target ids; each over its own ids."""
    losses = {}
    coordinates = (targets >= tokens.coordinate_0) & (targets < tokens.bin_0)
    ends = targets == tokens.trace_end
    first, last = tokens.coordinate_0, tokens.coordinate_0 + tokens.coordinates
    if coordinates.any():
        pointed = _soft_cross_entropy(
            logits[coordinates][:, first:last], targets[coordinates] - first, COORDINATE_SIGMA
        )
        # "Nothing to point at" is a decision against every coordinate at once.
        either = coordinates | ends
        mass = logits[either][:, first:last].logsumexp(-1)
        pair = torch.stack([mass, logits[either][:, tokens.trace_end]], dim=-1)
        losses["trace"] = pointed + F.cross_entropy(pair, ends[either].long())
    bins = targets >= tokens.bin_0
    if bins.any():
        losses["action"] = _soft_cross_entropy(logits[bins][:, tokens.bin_0 :], targets[bins] - tokens.bin_0, BIN_SIGMA)
    depth = (targets >= tokens.depth_0) & (targets < tokens.coordinate_0)
    if depth.any():
        sliced = logits[depth][:, tokens.depth_0 : tokens.coordinate_0]
        losses["depth"] = F.cross_entropy(sliced, targets[depth] - tokens.depth_0)
    return losses


def pointing_losses(maps, points) -> dict:
    """Return map and point losses for (b, k, h, w) logits and true positions (b, k, 2) in 0..1.

    Points that are NaN or outside the picture are left out.
    """
    height, width = maps.shape[2:]
    counted = ((points > 0) & (points < 1)).all(-1)
    if not counted.any():
        return {}
    maps, points = maps[counted], points[counted]
    cells = points * torch.tensor([width, height], device=points.device) - 0.5
    xs, ys = torch.arange(width, device=points.device), torch.arange(height, device=points.device)
    along = torch.exp(-0.5 * ((xs - cells[:, :1]) / MAP_SIGMA_CELLS) ** 2)
    down = torch.exp(-0.5 * ((ys - cells[:, 1:]) / MAP_SIGMA_CELLS) ** 2)
    wanted = (down[:, :, None] * along[:, None, :]).flatten(1)
    wanted = wanted / wanted.sum(-1, keepdim=True).clamp(min=1e-6)
    cross_entropy = -(wanted * maps.flatten(1).log_softmax(-1)).sum(-1)
    distance = (soft_argmax(maps[:, None])[:, 0] - points).abs().sum(-1)
    return {"map": cross_entropy.mean(), "point": distance.mean()}


def loss(network: MolmoActNetwork, batch: Batch) -> tuple[torch.Tensor, dict]:
    """Return the weighted loss and its parts for one batch, teacher-forced."""
    tokens, head = network.config.tokens, batch.prompt_length
    prompt, maps = network.embed_prompt(Prompt(batch.ids[:, :head], batch.images, batch.pooled_index))
    answer = network.embed(batch.ids[:, head:-1])
    hidden = network.decode(torch.cat([prompt, answer], dim=1), batch.positions[:, :-1])
    logits = network.logits(hidden[:, head - 1 :]).flatten(0, 1)
    parts = number_losses(logits.float(), batch.ids[:, head:].flatten(), tokens)
    if maps is not None:
        parts |= pointing_losses(maps.float(), batch.points)
    total = sum(WEIGHTS[name] * value for name, value in parts.items())
    return total, {name: value.item() for name, value in parts.items()}
