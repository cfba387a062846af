"""The reference backend of published models: PyTorch, greedy, a static key-value cache."""

import time

import torch

from ..errors import InvalidData
from ..model.generate import steps
from ..model.network import MolmoActNetwork, Prompt
from ..model.processor import Processor
from ..model.prompt_ids import check_instruction
from .contract import TextAnswer


class TorchTextRuntime:
    """Run a published network on the device and in the type that its weights have; see the TextRuntime contract."""

    def __init__(self, network: MolmoActNetwork, processor: Processor, threads: int = 1):
        torch.set_num_threads(threads)
        self.network, self.processor = network.eval(), processor

    def check(self, instruction: str) -> str:
        """Return "" or why the instruction is refused."""
        try:
            check_instruction(self.processor.tokenizer, instruction)
        except InvalidData as error:
            return str(error)
        return ""

    def answer(self, chat, images, most, cancelled=lambda: False) -> TextAnswer | None:
        """Answer greedily; see the contract."""
        started = time.perf_counter()
        prompt = self._on_device(self.processor.prompt(chat, images))
        prepared = time.perf_counter()
        eos, ids, first = self.processor.tokenizer.eos_id, [], prepared
        for logits in steps(self.network, prompt, most):
            token = int(logits[0].argmax())
            first = time.perf_counter() if not ids else first
            ids.append(token)
            if token == eos:
                break
            if cancelled():
                return None
        complete = bool(ids) and ids[-1] == eos
        latency = {
            "prepare": (prepared - started) * 1e3,
            "prefill": (first - prepared) * 1e3,
            "answer": (time.perf_counter() - first) * 1e3,
        }
        return TextAnswer(self.processor.tokenizer.decode(ids), len(ids), complete, latency)

    def _on_device(self, prompt: Prompt) -> Prompt:
        device = self.network.lm_head.weight.device
        return Prompt(prompt.ids.to(device), prompt.images.to(device), prompt.pooled_index.to(device))
