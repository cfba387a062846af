"""Published models: a rendered chat and camera images to a question, and ids back to text."""

from typing import Sequence

import numpy as np

from ..errors import InvalidData, missing_package
from ..model.config_file import network_config
from ..model.prompt_ids import check_instruction
from .contract import Question


class Chat:
    """Tokenizer and image processor of one checkpoint."""

    def __init__(self, config, processor):
        self.config, self._processor, self.eos = config, processor, processor.tokenizer.eos_id

    def problem(self, instruction: str) -> str:
        """Return "" when the instruction holds plain words only, else the reason why not."""
        try:
            check_instruction(self._processor.tokenizer, instruction)
        except InvalidData as error:
            return str(error)
        return ""

    def question(self, text: str, images: Sequence[np.ndarray]) -> Question:
        """Return what the network reads of a chat and RGB images (h, w, 3) uint8, main camera first.

        The chat may already hold the beginning of the answer. InvalidData for pictures that cannot be cut.
        """
        prompt = self._processor.prompt(text, images)
        return Question(prompt.ids[0].numpy(), prompt.images[0].numpy(), prompt.pooled_index[0].numpy())

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return self._processor.tokenizer.encode(text)

    def decode(self, ids) -> str:
        """Return the text of ids."""
        return self._processor.tokenizer.decode(ids)


def open_chat(folder) -> Chat:
    """Load tokenizer and image settings of a checkpoint folder. MissingPart or InvalidData."""
    try:
        from ..model.processor import load_processor
    except ImportError as error:
        raise missing_package(error.name or "torch", "model") from error
    return Chat(network_config(folder), load_processor(folder))
