"""Statistics of every column and dimension, computed in one place and stored once."""

import numpy as np


def statistics(values) -> dict:
    """Return min, max, mean, std, q01, q99 (d,) and count of values (n, d) or (n,), as LeRobot stores them; no NaN."""
    values = np.array(values, float).reshape(len(values), -1)
    # LeRobot has no word for a number that is never known.
    values[:, np.isnan(values).all(0)] = 0.0
    low, high = np.nanquantile(values, [0.01, 0.99], axis=0)
    found = {
        "min": np.nanmin(values, 0), "max": np.nanmax(values, 0), "mean": np.nanmean(values, 0),
        "std": np.nanstd(values, 0), "q01": low, "q99": high,
    }  # fmt: skip
    return {**{k: v.tolist() for k, v in found.items()}, "count": [len(values)]}


def picture_statistics(pictures, most: int = 200) -> dict:
    """Return the statistics of the channels of pictures (n, h, w, 3) uint8, scaled to 0..1, of at most so many."""
    picked = np.asarray(pictures[:: max(1, len(pictures) // most)])
    found = statistics(picked.reshape(-1, 3) / 255.0)
    return {k: [[[v]] for v in values] if k != "count" else [len(picked)] for k, values in found.items()}


def norm_stats(actions, states, key: str) -> dict:
    """Return the statistics under `key` in the form of the project's manifests, whatever the number of dimensions."""
    return {key: {"action": _plain(actions), "proprio": _plain(states), "num_transitions": len(actions)}}


def _plain(values) -> dict:
    found = statistics(values)
    found.pop("count")
    # A dimension that never changes has no scale.
    mask = [high > low for low, high in zip(found["q01"], found["q99"])]
    return {**found, "mask": mask}
