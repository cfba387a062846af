"""An answer's parts, or the name of what is wrong with it: what every parser of answers returns."""

from dataclasses import dataclass
from math import isqrt

import numpy as np


@dataclass(frozen=True)
class ParsedAnswer:
    """Depth codes (r, c), trace points (n, 2) in 0..255, action bins (h, d) in 0..254; None = not part of the form."""

    codes: np.ndarray | None
    trace: np.ndarray | None
    bins: np.ndarray


@dataclass(frozen=True)
class Malformed:
    """What came is not an answer: `name` says what is wrong, `detail` says it in words, ASCII only."""

    name: str
    detail: str


class SectionFault(ValueError):
    """Leave a parser half way; it carries the refusal that the parser then returns."""

    def __init__(self, name: str, detail: str):
        self.malformed = Malformed(name, detail)
        super().__init__(detail)


def depth_grid(codes) -> np.ndarray:
    """Lay n >= 1 depth codes out row by row as the whole grid nearest to a square: 100 as (10, 10) (spec 4.3)."""
    rows = max(r for r in range(1, isqrt(len(codes)) + 1) if len(codes) % r == 0)
    return np.reshape(codes, (rows, -1))
