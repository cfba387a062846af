"""The token table on the host, for backends whose graphs begin at the embeddings."""

import numpy as np

from ..errors import InvalidData
from ..model.config import NetworkConfig
from ..model.shards import Shards
from .contract import Question

_BASE, _ADDED = "model.transformer.wte.embedding", "model.transformer.wte.new_embedding"


class TokenTable:
    """Rows of ids, base vocabulary and added image tokens."""

    def __init__(self, config: NetworkConfig, base: np.ndarray, added: np.ndarray | None = None):
        self.config, self.base, self.added = config, base, added

    @classmethod
    def of(cls, config: NetworkConfig, folder) -> "TokenTable":
        """Read the table from the safetensors of a checkpoint folder. MissingPart or InvalidData."""
        shards = Shards(folder, framework="np")
        added = shards.read(_ADDED) if config.decoder.additional_vocab_size else None
        return cls(config, shards.read(_BASE), added)

    def rows(self, ids) -> np.ndarray:
        """Return the embeddings (n, hidden) of ids (n,); those below 0 are padding and read as 0."""
        ids = np.maximum(np.asarray(ids), 0)
        if self.added is None:
            return self.base[ids]
        count = len(self.base)
        rows = self.base[np.minimum(ids, count - 1)]
        late = ids >= count
        rows[late] = self.added[ids[late] - count]
        return rows

    def asked(self, question: Question, features: np.ndarray | None, ids) -> np.ndarray:
        """Return (s, hidden) of a question and the ids after it: image features are added at the image tokens.

        InvalidData when there are not as many image tokens as features.
        """
        rows = self.rows(np.concatenate([question.ids, ids]))
        if features is None:
            return rows
        places = np.flatnonzero(question.ids == self.config.image_token)
        if len(places) != len(features):
            raise InvalidData(f"{len(places)} image tokens", f"{len(features)}, one per feature", "Fix the ids.")
        rows[places] += features.astype(rows.dtype)
        return rows


def visible(first: int, tokens: int, capacity: int) -> np.ndarray:
    """Return the mask (1, 1, tokens, capacity): token i at position first + i sees everything up to itself."""
    return (np.arange(capacity) <= first + np.arange(tokens)[:, None])[None, None]
