"""The reference backend: PyTorch on a CPU, static key-value cache."""

import numpy as np
import torch

from ..errors import InvalidData
from ..model.kv_cache import KvCache
from ..model.network import MolmoActNetwork, Prompt


class TorchRuntime:
    """Run an embedded network; one thread by default, for the cell's other processes need theirs."""

    def __init__(self, network: MolmoActNetwork, threads: int = 1):
        torch.set_num_threads(threads)
        self.network = network.eval()
        self.tokens, self.image_tokens = network.config.tokens, network.config.conv.tokens
        self.cache = KvCache(network.config.decoder, 1, network.config.decoder.learned_positions)

    @torch.inference_mode()
    def prefill(self, ids, image) -> np.ndarray:
        """Forget everything and read the prompt; see the Runtime contract."""
        pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))[None].float() / 127.5 - 1
        ids = torch.from_numpy(np.asarray(ids))[None]
        embeddings, _ = self.network.embed_prompt(Prompt(ids, pixels))
        self.cache.length = 0
        return self._run(embeddings, torch.arange(ids.shape[1])[None])

    @torch.inference_mode()
    def extend(self, ids, positions) -> np.ndarray:
        """Read answer tokens; see the Runtime contract. InvalidData beyond the last position of the network."""
        if max(positions) >= self.cache.capacity:
            found = f"an answer that goes on beyond position {self.cache.capacity - 1}"
            raise InvalidData(found, "fewer tokens", "Correct 'horizon' or 'dims' in the manifest.")
        embeddings = self.network.embed(torch.from_numpy(np.asarray(ids))[None])
        return self._run(embeddings, torch.from_numpy(np.asarray(positions))[None])

    def _run(self, embeddings, positions) -> np.ndarray:
        hidden = self.network.decode(embeddings, positions, self.cache)
        return self.network.logits(hidden[0, -1]).numpy()
