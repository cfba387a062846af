"""What every backend offers: read a prompt once, then extend it token by token."""

from typing import Protocol

import numpy as np

from ..model.config import TokenLayout

__all__ = ["Runtime", "TokenLayout"]


class Runtime(Protocol):
    """One sequence at a time; positions are given, so that sections may be left out."""

    tokens: TokenLayout
    image_tokens: int

    def prefill(self, ids: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Forget everything, read prompt ids (s,) and an RGB image (h, w, 3) uint8; return the next logits (vocab,)."""

    def extend(self, ids: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Read answer ids (n,) at positions (n,); return logits (vocab,) of the token after the last."""
