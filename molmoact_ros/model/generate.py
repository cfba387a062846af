"""Greedy generation with a key-value cache and no grammar, as the reference generates."""

from typing import Iterator

import torch

from .kv_cache import KvCache
from .network import MolmoActNetwork, Prompt


def positions_of(attention_mask):
    """Return position ids (batch, s) of a padded batch: padding does not count and stands at 1."""
    return (attention_mask.long().cumsum(-1) - 1).masked_fill(attention_mask == 0, 1)


@torch.inference_mode()
def steps(network: MolmoActNetwork, prompt: Prompt, most: int, attention_mask=None) -> Iterator[torch.Tensor]:
    """Yield logits (batch, vocab_size), at most `most` times; the largest one is the next token.

    The caller stops when it has read enough: nothing is computed ahead.
    """
    batch, length = prompt.ids.shape
    mask = torch.ones_like(prompt.ids) if attention_mask is None else attention_mask
    weight = network.lm_head.weight
    cache = KvCache(network.config.decoder, batch, length + most, weight.dtype, weight.device)
    embeddings, _ = network.embed_prompt(prompt)
    positions = positions_of(mask)
    for step in range(most):
        padding = None if attention_mask is None else mask
        hidden = network.decode(embeddings, positions, cache, padding)
        logits = network.logits(hidden[:, -1])
        yield logits
        if step + 1 < most:
            embeddings = network.embed(logits.argmax(-1)[:, None])
            positions = positions[:, -1:] + 1
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)


def greedy(network: MolmoActNetwork, prompt: Prompt, most: int, attention_mask=None, eos=None, pad: int = 0):
    """Return ids (batch, n) and logits (batch, n, vocab_size) of at most `most` new tokens.

    A row that has said `eos` goes on with `pad`; when all have, generation ends.
    """
    ids, logits = [], []
    ended = torch.zeros(len(prompt.ids), dtype=torch.bool, device=prompt.ids.device)
    for step in steps(network, prompt, most, attention_mask):
        token = step.argmax(-1).masked_fill(ended, pad)
        ids.append(token)
        logits.append(step)
        if eos is not None:
            ended = ended | (token == eos)
            if bool(ended.all()):
                break
    return torch.stack(ids, dim=1), torch.stack(logits, dim=1)
