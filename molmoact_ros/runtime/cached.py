"""What all backends do alike: look at pictures once, keep count of what the cache holds, refuse what has no room."""

import numpy as np

from ..model.config import NetworkConfig
from .contract import Question, require_room
from .embedding import TokenTable
from .sight import Sight


class CachedRuntime:
    """The Runtime contract on three things that a backend brings.

    _embed(ids): embeddings of answer ids. _ask(question, features, ids): those of a question with its pictures'
    features and of the ids after it. _read(embeddings, skip): read them at `length`, count them, and return the scores
    of all but the first `skip`. A picture is looked at by `_look(question)`.
    """

    capacity = 0

    def __init__(self, config: NetworkConfig, legal):
        self.config, self.legal = config, np.asarray(legal, np.int64)
        self._sight, self.length = Sight(config, self._look), 0

    @property
    def vision_passes(self) -> int:
        """Pictures or crops that went through the vision tower since the start."""
        return self._sight.passes

    @property
    def vision_ms(self) -> float:
        """Time of the last look [ms]."""
        return self._sight.ms

    def rewind(self, length: int) -> None:
        """Forget all tokens from position `length` on; nothing is copied, later ones overwrite them."""
        self.length = length

    def prefill(self, question: Question, ids) -> np.ndarray:
        """Read the question and what follows it; see the contract. InvalidData when there is no room."""
        features = self._sight.features(question)
        self.length = 0
        require_room(self, len(question.ids) + len(ids))
        return self._read(self._ask(question, features, ids), len(question.ids) - 1)

    def extend(self, ids) -> np.ndarray:
        """Read answer tokens; see the contract. InvalidData when there is no room."""
        require_room(self, len(ids))
        return self._read(self._embed(ids), 0)


class TabledRuntime(CachedRuntime):
    """A runtime whose network begins at the embeddings: the token table stays on the host."""

    def __init__(self, config: NetworkConfig, legal, table: TokenTable):
        super().__init__(config, legal)
        self._table = table

    def _embed(self, ids) -> np.ndarray:
        return self._table.rows(ids)

    def _ask(self, question: Question, features, ids) -> np.ndarray:
        return self._table.asked(question, features, ids)

    def _eye_inputs(self, question: Question) -> dict[str, np.ndarray]:
        """Return the inputs of the exported eye by name, see model/export.py."""
        if question.pooled_index is not None:
            return {"crops": question.images, "pooled_index": question.pooled_index}
        picture = np.moveaxis(question.images, -1, 0)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        return {"image": picture, "ids": question.ids[None]}
