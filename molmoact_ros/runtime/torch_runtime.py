"""The reference backend: PyTorch, on a CPU or a CUDA device, static key-value cache."""

import numpy as np
import torch
import torch.nn.functional as F

from ..model.kv_cache import KvCache
from ..model.network import MolmoActNetwork, Prompt
from .contract import Question, require_room
from .sight import Sight
from .torch_steps import Steps

# Room for two pictures of four enlarged crops and an answer of 512 tokens.
CAPACITY = 2560


class TorchRuntime:
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
        self.network, self.config = network.eval(), network.config
        decoder, weight = network.config.decoder, network.lm_head.weight
        self.capacity = decoder.learned_positions or capacity
        self.cache = KvCache(decoder, 1, self.capacity, weight.dtype, weight.device)
        self.device, self._sight = weight.device, Sight(network.config, self._look)
        self.legal = np.arange(decoder.vocab_size) if legal is None else np.asarray(legal)
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

    @property
    def vision_passes(self) -> int:
        """Pictures or crops that went through the vision tower since the start."""
        return self._sight.passes

    @property
    def vision_ms(self) -> float:
        """Time of the last look [ms]."""
        return self._sight.ms

    def rewind(self, length: int) -> None:
        """Forget all tokens from position `length` on."""
        self.cache.length = length

    @torch.inference_mode()
    def prefill(self, question: Question, ids) -> np.ndarray:
        """Read the question and what follows it; see the contract. InvalidData when there is no room."""
        features = self._sight.features(question)
        self.cache.length = 0
        require_room(self, len(question.ids) + len(ids))
        asked = self.network.place(self._ids(question.ids), features)
        hidden = self._read(torch.cat([asked, self.network.embed(self._ids(ids))], dim=1))
        return self._scores(hidden[len(question.ids) - 1 :])

    @torch.inference_mode()
    def extend(self, ids) -> np.ndarray:
        """Read answer tokens; see the contract. InvalidData when there is no room."""
        require_room(self, len(ids))
        scores = self._steps.run(ids) if self._steps else None
        if scores is not None:
            return scores.float().cpu().numpy()
        return self._scores(self._read(self.network.embed(self._ids(ids))))

    def _look(self, question: Question):
        images = torch.from_numpy(np.ascontiguousarray(question.images))
        if question.pooled_index is None:
            images = images.permute(2, 0, 1).float() / 127.5 - 1
            prompt = Prompt(self._ids(question.ids), images[None].to(self.device))
        else:
            index = torch.from_numpy(question.pooled_index)[None].to(self.device)
            prompt = Prompt(self._ids(question.ids), images[None].to(self.device), index)
        with torch.inference_mode():
            return self.network.look(prompt)[0]

    def _ids(self, ids):
        return torch.from_numpy(np.ascontiguousarray(ids, np.int64))[None].to(self.device)

    def _read(self, embeddings):
        first = self.cache.length
        positions = torch.arange(first, first + embeddings.shape[1], device=self.device)[None]
        return self.network.decode(embeddings, positions, self.cache)[0]

    def _scores(self, hidden) -> np.ndarray:
        return F.linear(hidden, self._head).float().cpu().numpy()
