"""Image preparation of the embedded model: the same function for training and for the running cell."""

import cv2
import numpy as np


def model_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink an RGB image (h, w, 3) to `size` (width, height) by averaging the pixels that fall together."""
    if image.shape[1::-1] == tuple(size):
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
