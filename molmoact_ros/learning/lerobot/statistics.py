"""Statistics of every dimension, computed once: as LeRobot stores them, and as the project's manifests read them."""

import numpy as np

from .schema import Meaning

_QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
# A dimension that moves less stands still [m, rad]; statistics give it this range around its value.
LEAST_SPAN = 1e-3


def statistics(values) -> dict:
    """Return min, max, mean, std, quantiles (d,) and count of values (n, d) or (n,), in LeRobot's form."""
    values = np.asarray(values, float).reshape(len(values), -1)
    found = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    found |= dict(zip(_QUANTILES, np.quantile(values, list(_QUANTILES.values()), axis=0)))
    return {**{k: v.tolist() for k, v in found.items()}, "count": [len(values)]}


class PictureStatistics:
    """Statistics of the three channels, 0..1, of all pictures that were shown, one after the other."""

    def __init__(self):
        self._counts, self._pictures = np.zeros((3, 256), np.int64), 0

    def add(self, picture) -> None:
        """Count the pixels of a picture (h, w, 3) uint8."""
        self._pictures += 1
        for channel in range(3):
            self._counts[channel] += np.bincount(picture[..., channel].ravel(), minlength=256)

    def result(self) -> dict:
        """Return them with one entry per channel, shaped (3, 1, 1)."""
        levels, shares = np.arange(256) / 255.0, self._counts / self._counts.sum(1, keepdims=True)
        mean = shares @ levels
        there, reached = self._counts > 0, np.cumsum(shares, axis=1)
        found = {
            "min": levels[there.argmax(1)],
            "max": levels[255 - there[:, ::-1].argmax(1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0)),
        }
        found |= {name: levels[(reached >= share).argmax(1)] for name, share in _QUANTILES.items()}
        return {**{k: v[:, None, None].tolist() for k, v in found.items()}, "count": [self._pictures]}


def norm_stats(rows, states, meaning: Meaning, episodes: int) -> dict:
    """Return statistics of action rows (m, d) and states (n, s) under the dataset's key, whatever d is.

    In the form of published checkpoints: mask is false for grippers, all of them, which stay what they are.
    """
    action, proprio = statistics(rows), statistics(states)
    mask = [i not in meaning.grippers for i in range(meaning.action_dims)]
    counts = {"num_transitions": len(states), "num_trajectories": episodes}
    return {meaning.key: {"action": {**_ranged(action), "mask": mask}, "proprio": _ranged(proprio), **counts}}


def _ranged(found: dict) -> dict:
    kept = {k: found[k] for k in ("mean", "std", "min", "max", "q01", "q99")}
    low, high = np.array(kept["q01"]), np.array(kept["q99"])
    still, middle = high - low < LEAST_SPAN, (low + high) / 2
    kept["q01"] = np.where(still, middle - LEAST_SPAN / 2, low).tolist()
    kept["q99"] = np.where(still, middle + LEAST_SPAN / 2, high).tolist()
    return kept


def bin_ends(rows, grippers) -> dict:
    """Return which columns of action rows (m, d) have bins, and between which ends: 1st to 99th percentile, or 0..1.

    What stands still has none. A gripper always has some: closed may be rarer than one row in a hundred.
    """
    low, high = np.quantile(np.asarray(rows, float), [0.01, 0.99], axis=0)
    low[list(grippers)], high[list(grippers)] = 0.0, 1.0
    dims = np.flatnonzero(high - low >= LEAST_SPAN)
    return {"dims": tuple(dims.tolist()), "q01": tuple(low[dims].tolist()), "q99": tuple(high[dims].tolist())}
