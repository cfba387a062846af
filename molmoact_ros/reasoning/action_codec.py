"""Action bins: 255 even steps between the 1st and 99th percentile of each dimension (spec section 6)."""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidData

# 256 edges over -1..1 make 255 bins (arXiv 2508.07917, section 2.2).
BIN_EDGES = np.linspace(-1.0, 1.0, 256)
BIN_CENTRES = (BIN_EDGES[:-1] + BIN_EDGES[1:]) / 2
BINS = len(BIN_CENTRES)


@dataclass(frozen=True)
class ActionCodec:
    """Physical values <-> bin indices for rows of D dimensions; q01 and q99 (D,) in the values' own units."""

    q01: np.ndarray
    q99: np.ndarray

    def __post_init__(self):
        q01, q99 = np.asarray(self.q01, float), np.asarray(self.q99, float)
        if q01.shape != q99.shape or q01.ndim != 1 or not np.all(q99 > q01) or not np.all(np.isfinite([q01, q99])):
            expected = "finite q99 above q01 in every dimension"
            raise InvalidData("norm_stats with q99 <= q01 or without end", expected, "Recompute them.")
        object.__setattr__(self, "q01", q01)
        object.__setattr__(self, "q99", q99)

    def encode(self, values) -> np.ndarray:
        """Return bin indices 0..254 of (…, D) values; what lies outside q01..q99 goes to the first or last bin."""
        normalised = np.clip(2 * (np.asarray(values) - self.q01) / (self.q99 - self.q01) - 1, -1, 1)
        return np.clip(np.digitize(normalised, BIN_EDGES) - 1, 0, BINS - 1)

    def decode(self, bins) -> np.ndarray:
        """Return the values (…, D) at the centres of bin indices 0..254."""
        bins = np.asarray(bins)
        if bins.size and (bins.min() < 0 or bins.max() >= BINS):
            raise InvalidData("a bin outside 0..254", "bin indices 0..254", "Reject the answer.")
        return (BIN_CENTRES[bins] + 1) / 2 * (self.q99 - self.q01) + self.q01
