"""Keys and values of the positions that have been read, in one buffer per layer that is written in place."""

import torch


class KvCache:
    """Static cache for `batch` sequences of at most `capacity` tokens.

    Writing at a position makes it valid; positions at and beyond `length` are never attended to, so going back is free.
    """

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
