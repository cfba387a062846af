"""What every backend offers: read a question, read answer tokens, and score what may come next.

The decode loop (`decode.py`) is the only caller; torch, ONNX Runtime and TensorRT stand behind this one contract.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import InvalidData
from ..model.config import NetworkConfig, TokenLayout

__all__ = ["Question", "Runtime", "TokenLayout", "columns_of", "require_room"]


@dataclass(frozen=True, eq=False)
class Question:
    """What a network reads before it answers.

    ids: (s,) int64. images: for a ViT, float32 crops (t, n, 3pp) with pooled_index (p, 4); for the convolutional
    tower one RGB picture (h, w, 3) uint8; None = text alone.
    """

    ids: np.ndarray
    images: np.ndarray | None = None
    pooled_index: np.ndarray | None = None


class Runtime(Protocol):
    """One sequence at a time. What is read lies in a cache; forgetting its end costs nothing."""

    name: str
    config: NetworkConfig
    capacity: int
    legal: np.ndarray
    length: int
    vision_passes: int

    def prefill(self, question: Question, ids: np.ndarray) -> np.ndarray:
        """Forget everything, read the question and answer ids (n,) after it; return scores (1 + n, len(legal)).

        Row 0 scores what follows the question, row i what follows ids[i - 1]; columns are those of `legal`.
        """

    def extend(self, ids: np.ndarray) -> np.ndarray:
        """Read answer ids (n,) at the next positions; return scores (n, len(legal)), row i of what follows ids[i]."""

    def rewind(self, length: int) -> None:
        """Forget all tokens from position `length` on; the next ones overwrite them."""


def columns_of(legal, vocab_size: int) -> np.ndarray:
    """Return (vocab_size,) int64: the column of each id in scores, -1 where it has none."""
    columns = np.full(vocab_size, -1, np.int64)
    columns[np.asarray(legal)] = np.arange(len(legal))
    return columns


def require_room(runtime: Runtime, more: int) -> None:
    """Refuse tokens beyond the capacity of the cache. InvalidData."""
    if runtime.length + more > runtime.capacity:
        found = f"a sequence of {runtime.length + more} tokens"
        do = "Use smaller pictures, or correct 'horizon' or 'dims' in the manifest."
        raise InvalidData(found, f"at most {runtime.capacity}", do)
