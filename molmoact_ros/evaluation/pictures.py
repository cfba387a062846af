"""Pictures on disk."""

from pathlib import Path

import numpy as np

from ..errors import MissingPart, missing_package


def save_png(path, picture: np.ndarray) -> None:
    """Write an (h, w, 3) RGB or (h, w) grey uint8 picture. MissingPart when the file cannot be written."""
    try:
        import cv2
    except ImportError as error:
        raise missing_package("opencv-python-headless", "sim") from error
    stored = picture[..., ::-1] if picture.ndim == 3 else picture
    if not cv2.imwrite(str(path), np.ascontiguousarray(stored)):
        raise MissingPart(f"cannot write {Path(path)}", "a folder that can be written", "Name another with --out.")
