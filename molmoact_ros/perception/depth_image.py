"""Metric depth -> the relative inverse-depth picture that the depth VQ-VAE reads.

The published model was trained on Depth-Anything-V2, which predicts relative inverse depth, scaled per image to 0..1
with near = 1 (specification section 4.2). A depth camera gives metres, so the same picture is 1/z, scaled the same way.
"""

from dataclasses import dataclass

import numpy as np

from .raster import fill_holes, remove_speckles, resize

IMAGE_SIZE = 320
# A flat wall fills the whole range with noise otherwise; 0.02 1/m is a step of 2 cm at 1 m.
MIN_SPAN_PER_M = 0.02


@dataclass(frozen=True)
class InverseDepth:
    """A picture (320, 320) float32 in 0..1, near = 1, and the inverse depths [1/m] that 0 and 1 stand for."""

    image: np.ndarray
    low_per_m: float
    high_per_m: float

    def metres(self, image=None) -> np.ndarray:
        """Turn a picture in this scale (by default its own) back into metres."""
        image = self.image if image is None else image
        return 1.0 / (self.low_per_m + np.clip(image, 0.0, 1.0) * (self.high_per_m - self.low_per_m))


def inverse_depth(depth_m, near_m: float = 0.2, far_m: float = 3.0, min_valid: float = 0.3) -> InverseDepth | None:
    """Convert depth (h, w) [m] (0, negative, NaN, inf or nearer than `near_m` = no reading) to a relative picture.

    Holes take their nearest reading, single flying pixels go (3 x 3 median), what is farther than `far_m` is `far_m`.
    Returns None when less than the fraction `min_valid` of the pixels has a reading.
    """
    depth = np.asarray(depth_m, np.float32)
    valid = np.isfinite(depth) & (depth >= near_m)
    if depth.size == 0 or valid.mean() < max(min_valid, 1 / depth.size):
        return None
    inverse = 1.0 / np.clip(np.where(valid, depth, far_m), near_m, far_m)
    inverse = resize(remove_speckles(fill_holes(inverse, valid)), (IMAGE_SIZE, IMAGE_SIZE))
    low, high = float(inverse.min()), float(inverse.max())
    high = max(high, low + MIN_SPAN_PER_M)
    return InverseDepth((inverse - low) / (high - low), low, high)
