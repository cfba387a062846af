"""What backends share about pictures: identical crops are looked at once, and the last pictures are remembered."""

import time
from typing import Callable

import numpy as np

from ..model.config import VIT_POOLING, NetworkConfig, VitConfig
from ..model.tiling import whole_picture
from .contract import Question


def without_twins(crops: np.ndarray, pooled_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return crops (t, n, c) without repetitions and pooled_index (p, 4) that names the same patches there.

    A picture no larger than a crop is cut into two equal ones (spec section 2.2), which would cost the ViT twice.
    """
    kept: list[int] = []
    number = np.zeros(len(crops), np.int64)
    for i, crop in enumerate(crops):
        twin = next((k for k, j in enumerate(kept) if np.array_equal(crop, crops[j])), None)
        if twin is None:
            kept.append(i)
        number[i] = len(kept) - 1 if twin is None else twin
    if len(kept) == len(crops):
        return crops, pooled_index
    patches = crops.shape[1]
    places = np.clip(pooled_index, 0, None)
    moved = number[places // patches] * patches + places % patches
    return crops[kept], np.where(pooled_index >= 0, moved, pooled_index)


def cut_pictures(vit: VitConfig, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return patches (t, n, 3pp) of pictures (t, h, w, 3) in -1..1 that are seen whole, and pooled_index (p, 4)."""
    return whole_picture(pictures, vit.patch_size, (VIT_POOLING, VIT_POOLING))


class Sight:
    """Call `look(question)` -> features only when the pictures, or the words that steer the eye, are others.

    passes: pictures and crops that went through the vision tower. ms: time of the last look.
    """

    def __init__(self, config: NetworkConfig, look: Callable[[Question], object]):
        self._config, self._look = config, look
        self._seen: list[np.ndarray] | None = None
        self._features = None
        self.passes, self.ms = 0, 0.0

    def features(self, question: Question):
        """Return the features of a question's pictures, None for text alone."""
        if question.images is None:
            return None
        seen = self._parts(question)
        if self._seen is None or not all(map(np.array_equal, seen, self._seen)):
            began = time.perf_counter()
            images, index = question.images, question.pooled_index
            if index is not None:
                # a place without any patch has no image token
                images, index = without_twins(images, index[(index >= 0).any(axis=1)])
            self._features = self._look(Question(question.ids, images, index))
            self.ms = (time.perf_counter() - began) * 1e3
            self.passes += len(images) if index is not None else 1
            self._seen = [part.copy() for part in seen]
        return self._features

    def _parts(self, question: Question) -> list[np.ndarray]:
        """Return everything that the features follow from; the convolutional tower is steered by the words."""
        tokens = self._config.tokens
        if tokens is None or self._config.conv is None:
            return [question.images, question.pooled_index]
        first = 1 + self._config.conv.tokens
        return [question.images, question.ids[:1], question.ids[first : first + tokens.max_words]]
