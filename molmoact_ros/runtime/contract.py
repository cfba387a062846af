"""What every backend offers: for embedded models ids, token by token; for published ones a text for a question."""

from dataclasses import dataclass
from typing import Callable, Protocol, Sequence

import numpy as np

from ..model.config import TokenLayout

__all__ = ["Runtime", "TextAnswer", "TextRuntime", "TokenLayout"]


class Runtime(Protocol):
    """One sequence at a time; positions are given, so that sections may be left out."""

    tokens: TokenLayout
    image_tokens: int

    def prefill(self, ids: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Forget everything, read prompt ids (s,) and an RGB image (h, w, 3) uint8; return the next logits (vocab,)."""

    def extend(self, ids: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Read answer ids (n,) at positions (n,); return logits (vocab,) of the token after the last."""


@dataclass(frozen=True)
class TextAnswer:
    """What a published model said, and where the time went [ms]; `complete`: it ended by itself."""

    text: str
    tokens: int
    complete: bool
    latency_ms: dict


class TextRuntime(Protocol):
    """A published model: camera images and a rendered chat in, text out."""

    def check(self, instruction: str) -> str:
        """Return "" when the instruction holds plain words only, else the reason why not."""

    def answer(
        self,
        chat: str,
        images: Sequence[np.ndarray],
        most: int,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> TextAnswer | None:
        """Answer greedily with at most `most` tokens; None when `cancelled` became true on the way.

        `chat` may already hold the beginning of the answer; the text returned is what follows it.
        """
