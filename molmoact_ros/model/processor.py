"""Text and camera images to what the network reads: tokenizer and image processor of one checkpoint, together."""

from pathlib import Path
from typing import Sequence

import numpy as np
import torch

from ..errors import MissingPart
from .config_file import read_object
from .image_processor import ImageProcessor, ImageProcessorConfig
from .network import Prompt
from .prompt_ids import prompt_ids
from .tokenizer import Tokenizer, load_tokenizer

PREPROCESSOR = "preprocessor_config.json"


class Processor:
    """Prompts of one published checkpoint."""

    def __init__(self, tokenizer: Tokenizer, images: ImageProcessor):
        self.tokenizer, self.images = tokenizer, images

    def prompt(self, text: str, images: Sequence[np.ndarray]) -> Prompt:
        """Return the network's input for a rendered chat and RGB images (h, w, 3) uint8, main camera first.

        "Image N" stands before the pictures only when there are several: so were the released models trained.
        """
        nested = len(images) > 1
        tensors = self.images.process(images, nested)
        ids = prompt_ids(self.tokenizer, text, tensors.grids, nested)
        return Prompt(torch.from_numpy(ids)[None], tensors.images[None], tensors.pooled_patches_idx[None])


def load_processor(folder) -> Processor:
    """Load tokenizer files and preprocessor_config.json of a checkpoint folder. MissingPart or InvalidData."""
    path = Path(folder) / PREPROCESSOR
    if not path.is_file():
        raise MissingPart(f"no {PREPROCESSOR} in '{folder}'", "the image settings", "Fetch the checkpoint again.")
    return Processor(load_tokenizer(folder), ImageProcessor(ImageProcessorConfig.from_dict(read_object(path))))
