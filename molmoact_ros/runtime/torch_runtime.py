"""The reference backend: PyTorch, on a CPU or a CUDA device, static key-value cache."""

import numpy as np
import torch
import torch.nn.functional as F

from ..model.kv_cache import KvCache
from ..model.network import MolmoActNetwork, Prompt
from .cached import CachedRuntime
from .contract import Question, require_room
from .torch_steps import Steps

# Room for two pictures of four enlarged crops and an answer of 512 tokens.
CAPACITY = 2560


class TorchRuntime(CachedRuntime):
    """Run a network on the device and in the type that its weights have; see the Runtime contract.

    legal: ids that scores are wanted of, None = all. threads: one by default, the cell's other processes need theirs.
    graphs: decode in steps of fixed sizes, which are CUDA graphs on a GPU; None = on a GPU.
    """

    name = "torch"

    def __init__(
        self,
        network: MolmoActNetwork,
        threads: int = 1,
        legal=None,
        capacity: int = CAPACITY,
        graphs: bool | None = None,
    ):
        torch.set_num_threads(threads)
        decoder, weight = network.config.decoder, network.lm_head.weight
        self.network, self.device = network.eval(), weight.device
        self.capacity = decoder.learned_positions or capacity
        self.cache = KvCache(decoder, 1, self.capacity, weight.dtype, weight.device)
        super().__init__(network.config, np.arange(decoder.vocab_size) if legal is None else legal)
        # the other rows of the output layer are not even read
        whole = len(self.legal) == len(weight)
        self._head = weight if whole else weight[torch.from_numpy(self.legal).to(weight.device)].detach()
        on_gpu = weight.device.type == "cuda"
        wanted = on_gpu if graphs is None else graphs
        self._steps = Steps(network, self.cache, self._head, capture=on_gpu) if wanted else None

    @property
    def length(self) -> int:
        """Tokens that have been read."""
        return self.cache.length

    @length.setter
    def length(self, length: int) -> None:
        self.cache.length = length

    @torch.inference_mode()
    def extend(self, ids) -> np.ndarray:
        """Read answer tokens; see the contract. InvalidData when there is no room."""
        require_room(self, len(ids))
        scores = self._steps.run(ids) if self._steps else None
        return super().extend(ids) if scores is None else scores.float().cpu().numpy()

    @torch.inference_mode()
    def _look(self, question: Question):
        images, index = torch.from_numpy(np.ascontiguousarray(question.images)), question.pooled_index
        if index is None:
            images = images.permute(2, 0, 1).float() / 127.5 - 1
        else:
            index = torch.from_numpy(index)[None].to(self.device)
        return self.network.look(Prompt(self._ids(question.ids), images[None].to(self.device), index))[0]

    @torch.inference_mode()
    def _ask(self, question: Question, features, ids):
        asked = self.network.place(self._ids(question.ids), features)
        return torch.cat([asked, self._embed(ids)], dim=1)

    @torch.inference_mode()
    def _embed(self, ids):
        return self.network.embed(self._ids(ids))

    @torch.inference_mode()
    def _read(self, embeddings, skip: int) -> np.ndarray:
        positions = torch.arange(self.length, self.length + embeddings.shape[1], device=self.device)[None]
        hidden = self.network.decode(embeddings, positions, self.cache)[0, skip:]
        return F.linear(hidden, self._head).float().cpu().numpy()

    def _ids(self, ids):
        return torch.from_numpy(np.ascontiguousarray(ids, np.int64))[None].to(self.device)
