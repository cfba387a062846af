"""Decoding steps of a few fixed sizes for torch: on a GPU each is one CUDA graph, launched as a whole.

A step of a 7B model starts some 400 kernels; launched one by one they take longer than the memory that they read.
"""

import numpy as np
import torch
import torch.nn.functional as F

from ..model.attention_ops import EagerOps
from ..model.kv_cache import KvCache, SlotCache
from ..model.network import MolmoActNetwork

SIZES = (1, 8, 16, 32)
# Runs before a capture: libraries set themselves up and choose kernels.
_WARM_UPS = 2


class _InPlace(EagerOps):
    """Write into the cache itself."""

    @staticmethod
    def put(cache, new, start):
        """Put new (1, kv_heads, s, dh) at start (1,) and after."""
        return cache.index_copy_(2, start + torch.arange(new.shape[2], device=new.device), new)


class Steps:
    """Read tokens of an answer in windows of SIZES, filled up to the next one; what fills them is overwritten later.

    capture: record each size as a CUDA graph, once; False runs the same step directly (as on a CPU).
    """

    def __init__(self, network: MolmoActNetwork, cache: KvCache, head: torch.Tensor, capture: bool):
        self._network, self._cache, self._head = network, cache, head
        self._device = head.device
        self._start = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._ids = {size: torch.zeros(1, size, dtype=torch.int64, device=self._device) for size in SIZES}
        self._graphs = {size: self._captured(size) for size in SIZES} if capture else {}

    @torch.inference_mode()
    def run(self, ids) -> torch.Tensor | None:
        """Return scores (n, legal) of ids (n,) after what the cache holds; None when no size fits."""
        count, first = len(ids), self._cache.length
        size = next((s for s in SIZES if s >= count and first + s <= self._cache.capacity), None)
        if size is None:
            return None
        self._ids[size][0, :count] = torch.from_numpy(np.ascontiguousarray(ids)).to(self._device)
        self._start[0] = first
        if size in self._graphs:
            graph, scores = self._graphs[size]
            graph.replay()
        else:
            scores = self._step(size)
        self._cache.length = first + count
        return scores[:count]

    def _step(self, size: int) -> torch.Tensor:
        positions = self._start + torch.arange(size, device=self._device)
        seen = torch.arange(self._cache.capacity, device=self._device) <= positions[:, None]
        cache = SlotCache(self._cache.keys, self._cache.values, self._start, seen[None, None], _InPlace)
        hidden = self._network.decode(self._network.embed(self._ids[size]), positions[None], cache)
        return F.linear(hidden[0], self._head)

    @torch.inference_mode()
    def _captured(self, size: int):
        """Record one step; its inputs and outputs stay where they are."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                self._step(size)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            scores = self._step(size)
        return graph, scores
