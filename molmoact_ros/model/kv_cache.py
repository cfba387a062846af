"""Keys and values of the positions that have been read, in one buffer per layer that is written in place."""

import torch

from .attention_ops import EagerOps


class KvCache:
    """Static cache for `batch` sequences of at most `capacity` tokens.

    Writing at a position makes it valid; positions at and beyond `length` are never attended to, so going back is free.
    """

    ops = EagerOps

    def __init__(self, config, batch: int, capacity: int, dtype=torch.float32, device="cpu"):
        shape = (config.num_hidden_layers, batch, config.num_key_value_heads, capacity, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0

    @property
    def capacity(self) -> int:
        """Most tokens that fit."""
        return self.keys.shape[3]

    def write(self, layer: int, key, value):
        """Store key and value (batch, kv_heads, s, head_dim) after `length`; return the valid part of both."""
        end = self.length + key.shape[2]
        self.keys[layer, :, :, self.length : end] = key
        self.values[layer, :, :, self.length : end] = value
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class SlotCache:
    """Whole buffers with the place to write at and a mask of what may be seen: every shape is the same in each step.

    For exports and CUDA graphs. keys, values: a tensor (1, kv_heads, S, head_dim) per layer, replaced by `write`;
    start (1,) int64; mask (1, 1, s, n), True = may be seen, n = S or what is filled so far; ops: see attention_ops.
    """

    def __init__(self, keys, values, start, mask, ops=EagerOps):
        self.keys, self.values, self.start, self.mask, self.ops = list(keys), list(values), start, mask, ops

    def write(self, layer: int, key, value):
        """Put key and value (1, kv_heads, s, head_dim) at `start`; return as much of the buffers as the mask covers."""
        self.keys[layer] = self.ops.put(self.keys[layer], key, self.start)
        self.values[layer] = self.ops.put(self.values[layer], value, self.start)
        covered = self.mask.shape[-1]
        if covered == self.keys[layer].shape[2]:
            return self.keys[layer], self.values[layer]
        return self.keys[layer][:, :, :covered], self.values[layer][:, :, :covered]
