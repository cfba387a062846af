"""ONNX Runtime on a CPU: the default where there is no GPU. The key-value cache stays in one place, bound to it."""

from pathlib import Path

import numpy as np

from ..model.config import NetworkConfig
from .contract import Question, require_room
from .embedding import TokenTable, visible
from .engine_manifest import DECODER, VISION
from .onnx_session import onnxruntime, open_session
from .sight import Sight


class OnnxRuntime:
    """Run the two graphs of `folder` (see model/export.py); see the Runtime contract.

    table: embeddings of the checkpoint. legal: the ids whose scores the decoder's columns are.
    """

    name = "onnx"

    def __init__(self, folder, config: NetworkConfig, table: TokenTable, legal, threads: int = 1):
        self.config, self.legal, self._table = config, np.asarray(legal), table
        self._decoder = open_session(Path(folder) / DECODER, threads)
        self._eye = open_session(Path(folder) / VISION, threads)
        self._sight = Sight(config, self._look)
        self._binding, self.length = self._decoder.io_binding(), 0
        self.capacity = self._bind_cache()

    def _bind_cache(self) -> int:
        """Give every cache one buffer, as input and as output; return how many tokens it holds."""
        for entry in self._decoder.get_inputs():
            if entry.name.startswith(("keys_", "values_")):
                value = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(entry.shape, np.float32))
                self._binding.bind_ortvalue_input(entry.name, value)
                self._binding.bind_ortvalue_output(f"{entry.name}_out", value)
                capacity = entry.shape[2]
        return capacity

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
        self.length = length

    def prefill(self, question: Question, ids) -> np.ndarray:
        """Read the question and what follows it; see the contract. InvalidData when there is no room."""
        features = self._sight.features(question)
        self.length = 0
        require_room(self, len(question.ids) + len(ids))
        return self._read(self._table.asked(question, features, ids))[len(question.ids) - 1 :]

    def extend(self, ids) -> np.ndarray:
        """Read answer tokens; see the contract. InvalidData when there is no room."""
        require_room(self, len(ids))
        return self._read(self._table.rows(ids))

    def _look(self, question: Question) -> np.ndarray:
        if question.pooled_index is None:
            picture = np.moveaxis(question.images, -1, 0)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
            given = {"image": picture, "ids": question.ids[None]}
        else:
            given = {"crops": question.images, "pooled_index": question.pooled_index}
        return self._eye.run(None, given)[0]

    def _read(self, embeddings: np.ndarray) -> np.ndarray:
        count = len(embeddings)
        given = {
            "embeddings": np.ascontiguousarray(embeddings[None], np.float32),
            "positions": np.arange(self.length, self.length + count)[None],
            "start": np.array([self.length]),
            "mask": visible(self.length, count, self.length + count),
        }
        for name, value in given.items():
            self._binding.bind_cpu_input(name, value)
        self._binding.bind_output("logits", "cpu")
        self._decoder.run_with_iobinding(self._binding)
        self.length += count
        # the caches were bound before
        return self._binding.get_outputs()[-1].numpy()[0]
