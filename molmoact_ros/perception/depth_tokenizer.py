"""Depth in metres -> DepthTokens, and tokens -> a picture of what they keep."""

from typing import Callable

import numpy as np

from ..types import DepthTokens
from .depth_image import inverse_depth


class DepthTokenizer:
    """Turn depth images into codes with an injected network.

    encode_fn: (320, 320) float32 in 0..1 -> (rows, cols) integer codes. decode_fn: codes -> (320, 320) float.
    """

    def __init__(self, encode_fn: Callable, decode_fn: Callable, codebook_size: int,
                 near_m: float = 0.2, far_m: float = 3.0, min_valid: float = 0.3):  # fmt: skip
        self._encode, self._decode, self._codebook_size = encode_fn, decode_fn, codebook_size
        self._range = (near_m, far_m, min_valid)

    def encode(self, depth_m, stamp_ns: int) -> DepthTokens | None:
        """Tokenise depth (h, w) [m] seen at `stamp_ns`; None when too few pixels have a reading."""
        picture = inverse_depth(depth_m, *self._range)
        if picture is None:
            return None
        return DepthTokens(stamp_ns, self._encode(picture.image), self._codebook_size, "sensor")

    def reconstruct(self, tokens: DepthTokens) -> np.ndarray:
        """Draw tokens as a (320, 320) uint8 picture, near = bright, per-image min-max (specification section 4.3)."""
        image = np.asarray(self._decode(tokens.codes), np.float32)
        low, high = image.min(), image.max()
        return ((image - low) / max(high - low, 1e-8) * 255).round().astype(np.uint8)
