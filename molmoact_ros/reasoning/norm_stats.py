"""Action statistics of a published checkpoint: which of its norm_stats apply, and from -1..1 back to actions.

Rules, casts and error types are those of the released model (spec sections 6.2 and 6.3), so that both agree on every
input, good or bad.
"""

from dataclasses import dataclass
from typing import Any, Mapping

import numpy as np

from ..errors import InvalidData


@dataclass(frozen=True)
class ActionStatistics:
    """1st and 99th percentile and mask of the action dimensions, (D,) each.

    q01, q99: float32, in the actions' own units. mask: True = un-normalise this dimension; never the last one, the
    gripper, which stays a bin centre in -1..1.
    """

    q01: np.ndarray
    q99: np.ndarray
    mask: np.ndarray

    @property
    def dims(self) -> int:
        """Number of action dimensions."""
        return len(self.q01)

    def unnormalise(self, normalised) -> np.ndarray:
        """Turn float64 values (…, D) in -1..1 into actions (…, D) float64; ValueError where the lengths do not fit.

        q99 - q01 is a float32 difference, all the rest is float64.
        """
        scaled = 0.5 * (np.asarray(normalised, np.float64) + 1.0) * (self.q99 - self.q01) + self.q01
        return np.where(self.mask, scaled, normalised)

    def require_whole(self) -> None:
        """Refuse what the released model puts up with: other lengths, an empty range, NaN (InvalidData)."""
        if not self.q01.shape == self.q99.shape == self.mask.shape or self.q01.ndim != 1:
            found = f"action statistics of lengths {self.q01.shape}, {self.q99.shape}, {self.mask.shape}"
            raise InvalidData(found, "q01, q99 and mask of one length", "Recompute norm_stats.")
        spread = self.q99 - self.q01
        if not np.all(np.isfinite(spread)) or np.any(spread[self.mask] <= 0):
            raise InvalidData("norm_stats with q99 <= q01", "q99 above q01 in every dimension", "Recompute norm_stats.")


def action_statistics(norm_stats: Mapping[str, Any] | None, unnorm_key: str | None = None) -> ActionStatistics:
    """Resolve the statistics of one key; None is enough where there is only one key.

    ValueError (InvalidData): no statistics, an unknown key, None with several keys. KeyError: 'action', 'q01' or 'q99'
    is missing. IndexError: a mask without a last entry. Lengths that do not fit show in `unnormalise`.
    """
    stats = norm_stats[_resolved(norm_stats, unnorm_key)]["action"]
    q01, q99 = np.array(stats["q01"], np.float32), np.array(stats["q99"], np.float32)
    mask = np.array(stats.get("mask", np.ones_like(q01, dtype=bool)), bool)
    mask[-1] = False
    return ActionStatistics(q01, q99, mask)


def _resolved(norm_stats, unnorm_key) -> str:
    if not norm_stats:
        raise InvalidData("a checkpoint without norm_stats", "statistics of its actions", "Give norm_stats.")
    known = ", ".join(map(str, norm_stats))
    if unnorm_key is None:
        if len(norm_stats) > 1:
            raise InvalidData("no unnorm_key", f"one of {known}", "Choose whose statistics apply.")
        return next(iter(norm_stats))
    if unnorm_key not in norm_stats:
        raise InvalidData(f"unnorm_key '{unnorm_key}'", f"one of {known}", "Choose one of them.")
    return unnorm_key
