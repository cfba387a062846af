"""TensorRT and TensorRT-RTX on a GPU: the key-value cache stays there, short steps run as CUDA graphs.

See the Runtime contract. The token table stays on the host; what travels per step is a few rows of it, a mask, and
the scores of the legal ids.
"""

from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from ..errors import InvalidData, MissingPart, MolmoActError
from ..model.config import NetworkConfig
from .cached import TabledRuntime
from .contract import Question
from .cuda_buffers import DeviceMemory, Exchange, Stream, device_capability
from .embedding import TokenTable, visible
from .engine_manifest import EngineManifest, read, refuse
from .tensorrt_engine import Engine
from .tensorrt_module import find_module, runtime_versions

DECODER, VISION = "decoder.plan", "vision.plan"
# Windows of these sizes run as CUDA graphs; others are filled up to the next one, a question to a multiple of 64.
STEPS, QUESTION_STEP = (1, 8, 16, 32), 64


def padded(tokens: int, room: int) -> int:
    """Return how many rows to run for `tokens`, of which `room` fit: few shapes, for each one is compiled once."""
    rows = next((size for size in STEPS if size >= tokens), -(-tokens // QUESTION_STEP) * QUESTION_STEP)
    return rows if rows <= room else tokens


def padded_rows(embeddings: np.ndarray, rows: int) -> np.ndarray:
    """Return (rows, hidden): the embeddings and zeros after them, whose keys and values later tokens overwrite."""
    filled = np.zeros((rows, embeddings.shape[1]), np.float32)
    filled[: len(embeddings)] = embeddings
    return filled


def open_tensorrt(folders: Sequence[Path], backend: str, config: NetworkConfig, files: Mapping[str, str]):
    """Open the first of a checkpoint's engine folders that fits this GPU, this version and this checkpoint.

    files: file -> sha256 of the checkpoint, whose folder holds those of the engines. When none fits, MissingPart or
    InvalidData says why, of one for this GPU where there is one.
    """
    here, versions = device_capability(), runtime_versions(backend)
    refusals: list[tuple[bool, MolmoActError]] = []
    for folder in folders:
        manifest = read(folder)
        try:
            refuse(folder, manifest, files, versions, here)
        except (InvalidData, MissingPart) as error:
            refusals.append((manifest.compute_capability == here, error))
            continue
        return TensorRtRuntime(folder, config, TokenTable.of(config, Path(folder).parent), manifest)
    raise max(refusals, key=lambda refusal: refusal[0])[1]


class TensorRtRuntime(TabledRuntime):
    """Run the two engines of `folder`, which fit (`engine_manifest.refuse`); see the Runtime contract.

    table: embeddings of the checkpoint. MissingPart without a GPU, InvalidData when an engine cannot be read.
    """

    def __init__(self, folder, config: NetworkConfig, table: TokenTable, manifest: EngineManifest):
        trt, folder = find_module(manifest.backend), Path(folder)
        super().__init__(config, manifest.legal or range(config.decoder.vocab_size), table)
        self.name, self.capacity, self._stream = manifest.backend, manifest.capacity, Stream()
        self._eye = Engine(trt, folder / VISION, self._stream)
        self._decoder = Engine(trt, folder / DECODER, self._stream)
        self._most = min(self._decoder.most("embeddings")[1], self.capacity)
        self._given: dict[str, Exchange] = {}
        self._copied: list[tuple[DeviceMemory, DeviceMemory]] = []
        self._bind(in_place=manifest.form == "native")
        for size in STEPS:
            # compile and capture now, not before the first answer
            if size <= self._most:
                self._run(np.zeros((size, config.decoder.hidden_size), np.float32))

    def _bind(self, in_place: bool) -> None:
        """Give every input and output of the decoder its place on the GPU.

        A native cache is the same memory as input and output. The compat form scatters into a copy, which has to be
        brought back after each run.
        """
        decoder, most = self._decoder, self._most
        for name, shape in decoder.inputs.items():
            if name.startswith(("keys_", "values_")):
                if shape[2] != self.capacity:
                    found = f"a cache of {shape[2]} tokens in '{decoder.path}'"
                    raise InvalidData(found, f"{self.capacity} as in its manifest", "Export again.")
                size = int(np.prod(shape)) * decoder.item_bytes(name)
                memory = DeviceMemory(size)
                written = memory if in_place else DeviceMemory(size)
                decoder.place(name, memory)
                decoder.place(f"{name}_out", written)
                if not in_place:
                    self._copied.append((memory, written))
            else:
                numbers = int(np.prod([most if size < 0 else size for size in shape]))
                self._given[name] = Exchange(numbers, decoder.kinds[name])
                decoder.place(name, self._given[name])
        columns = len(self.legal)
        self._logits = Exchange(most * columns, decoder.kinds["logits"], staged=STEPS[-1] * columns)
        decoder.place("logits", self._logits)

    def _read(self, embeddings: np.ndarray, skip: int) -> np.ndarray:
        """Run rows at the next positions; return the scores of all but the first `skip`."""
        count, columns = len(embeddings), len(self.legal)
        self._run(embeddings)
        self.length += count
        return self._logits.download(skip * columns, (count - skip) * columns, self._stream).reshape(-1, columns)

    def _run(self, embeddings: np.ndarray) -> None:
        rows = padded(len(embeddings), min(self._most, self.capacity - self.length))
        # a row that fills up sees itself, too: one that saw nothing would leave NaN in the cache, and 0 * NaN is NaN
        given = {
            "embeddings": padded_rows(embeddings, rows)[None],
            "positions": np.arange(self.length, self.length + rows)[None],
            "start": np.array([self.length]),
            "mask": visible(self.length, rows, self.capacity),
        }
        self._stream.wait()
        for name, array in given.items():
            self._given[name].upload(array, self._stream)
        self._decoder.run({name: array.shape for name, array in given.items()}, captured=rows in STEPS)
        for memory, written in self._copied:
            memory.take(written, self._stream)

    def _look(self, question: Question) -> np.ndarray:
        given = self._eye_inputs(question)
        rows = self.config.conv.tokens if question.pooled_index is None else len(question.pooled_index)
        self._stream.wait()
        for name, array in given.items():
            self._eye.exchange(name, array.size).upload(array, self._stream)
        hidden = self.config.decoder.hidden_size
        features = self._eye.exchange("features", rows * hidden)
        self._eye.run({name: array.shape for name, array in given.items()}, captured=False)
        return features.download(0, rows * hidden, self._stream).reshape(rows, hidden)
