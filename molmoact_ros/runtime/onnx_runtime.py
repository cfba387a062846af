"""ONNX Runtime on a CPU: the default where there is no GPU. The key-value cache stays in one place, bound to it."""

from pathlib import Path

import numpy as np

from ..model.config import NetworkConfig
from .cached import TabledRuntime
from .contract import Question
from .embedding import TokenTable, visible
from .engine_manifest import DECODER, VISION
from .onnx_session import onnxruntime, open_session


class OnnxRuntime(TabledRuntime):
    """Run the two graphs of `folder` (see model/export.py); see the Runtime contract.

    table: embeddings of the checkpoint. legal: the ids whose scores the decoder's columns are.
    """

    name = "onnx"

    def __init__(self, folder, config: NetworkConfig, table: TokenTable, legal, threads: int = 1):
        super().__init__(config, legal, table)
        self._decoder = open_session(Path(folder) / DECODER, threads)
        self._eye = open_session(Path(folder) / VISION, threads)
        self._binding = self._decoder.io_binding()
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

    def _look(self, question: Question) -> np.ndarray:
        return self._eye.run(None, self._eye_inputs(question))[0]

    def _read(self, embeddings: np.ndarray, skip: int) -> np.ndarray:
        count = len(embeddings)
        given = {
            "embeddings": np.ascontiguousarray(embeddings[None], np.float32),
            "positions": np.arange(self.length, self.length + count)[None],
            "start": np.array([self.length]),
            "mask": visible(self.length, count, self.length + count),
        }
        for name, value in given.items():
            self._binding.bind_cpu_input(name, value)
        scores = np.empty((1, count, len(self.legal)), np.float32)
        # written where it is wanted: fetching outputs would wrap every cache as well
        self._binding.bind_output("logits", "cpu", 0, np.float32, scores.shape, scores.ctypes.data)
        self._decoder.run_with_iobinding(self._binding)
        self.length += count
        return scores[0, skip:]
