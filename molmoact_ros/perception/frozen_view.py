"""Notice a camera that repeats one picture while the arm moves: cable, driver and network fail like that."""

import numpy as np


class FrozenView:
    """Remember since where the picture has been the same to the last bit; noise alone changes it in a live camera."""

    def __init__(self, moved_m: float):
        self._moved_m = moved_m
        self._image: np.ndarray | None = None
        self._tip = np.zeros(3)

    def stuck(self, image: np.ndarray, tip: np.ndarray) -> bool:
        """Take a picture and the tip's position (3,) [m]; True when the tip went far since the picture last changed."""
        if self._image is None or not np.array_equal(image, self._image):
            self._image, self._tip = image, np.array(tip, float)
            return False
        return not float(np.linalg.norm(tip - self._tip)) <= self._moved_m
