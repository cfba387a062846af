"""Golden images from disk."""

from pathlib import Path

import numpy as np

from ...errors import InvalidData, MissingPart, missing_package


def read_rgb(path: Path) -> np.ndarray:
    """Read a PNG as (h, w, 3) uint8 RGB: grey is repeated, a palette looked up, alpha dropped and not blended.

    MissingPart when there is no readable image, InvalidData when it has more than 8 bits a channel.
    """
    try:
        import cv2
    except ImportError as error:
        raise missing_package("opencv-python-headless", "model") from error
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise MissingPart(f"no image {Path(path)}", "a PNG file", "Fetch the golden data again.")
    if stored.dtype != np.uint8:
        raise InvalidData(f"{Path(path)} of {stored.dtype}", "8 bits a channel", "Convert the image first.")
    if stored.ndim == 2:
        return np.repeat(stored[..., None], 3, axis=2)
    return np.ascontiguousarray(stored[..., 2::-1])
