"""Depth codes of stored frames: the answers' first section, spelled by the depth VQ-VAE as the cell spells them."""

from pathlib import Path

import numpy as np
import torch

from ..model.depth_vqvae_store import load_depth_vqvae
from ..perception.depth_image import inverse_depth
from .dataset import Dataset

BATCH = 16


def keep_depth_rows(data: Dataset, limit: int, seed: int = 0) -> None:
    """Keep at most `limit` of the frames that carry depth, drawn at random."""
    picked = np.sort(np.random.default_rng(seed).permutation(len(data.depth_rows))[:limit])
    data.depth_rows, data.depth_mm = data.depth_rows[picked], data.depth_mm[picked]


@torch.inference_mode()
def depth_codes(data: Dataset, weights, cache=None, say=print) -> np.ndarray:
    """Return codes (n, 10, 10) uint8 of all frames with depth; `cache` is a file that is read or written."""
    if cache and Path(cache).is_file():
        return np.load(cache)
    network, codes = load_depth_vqvae(weights), []
    for start in range(0, len(data.depth_mm), BATCH):
        pictures = [inverse_depth(d / 1000.0).image for d in data.depth_mm[start : start + BATCH]]
        codes.append(network.encode(torch.from_numpy(np.stack(pictures))[:, None]).numpy().astype(np.uint8))
        if start % (64 * BATCH) == 0:
            say(f"depth codes: {start}/{len(data.depth_mm)}")
    codes = np.concatenate(codes)
    if cache:
        np.save(cache, codes)
    return codes
