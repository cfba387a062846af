"""The whole network: images and tokens in, logits out. Parameter names are those of the published checkpoints."""

from dataclasses import dataclass

import torch
from torch import nn

from .config import NetworkConfig
from .conv_tower import ConvTower
from .decoder import Decoder
from .kv_cache import KvCache
from .vision import VisionBackbone


@dataclass(frozen=True)
class Prompt:
    """What the model reads before it answers.

    ids (batch, s) int64. images: for a ViT, crops (batch, t, n, 3pp) with pooled_index (batch, p, 4);
    for the convolutional tower (batch, 3, h, w) in -1..1.
    """

    ids: torch.Tensor
    images: torch.Tensor
    image_token: int
    pooled_index: torch.Tensor | None = None


class _Body(nn.Module):
    def __init__(self, config: NetworkConfig):
        super().__init__()
        hidden = config.decoder.hidden_size
        self.transformer = Decoder(config.decoder)
        self.vision_backbone = VisionBackbone(config.vit, hidden) if config.vit else ConvTower(config.conv, hidden)


class MolmoActNetwork(nn.Module):
    """Vision tower, connector and decoder; `lm_head` covers the base vocabulary only."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.model = _Body(config)
        self.lm_head = nn.Linear(config.decoder.hidden_size, config.decoder.vocab_size, bias=False)

    def embed_prompt(self, prompt: Prompt):
        """Return (batch, s, hidden): token embeddings with image features added at the image tokens, and pointing maps.

        The maps are None for a ViT.
        """
        embeddings = self.model.transformer.wte(prompt.ids.clamp(min=0))
        if self.config.vit is not None:
            features, maps = self.model.vision_backbone(prompt.images, prompt.pooled_index), None
        else:
            tokens, maps = self.model.vision_backbone(prompt.images, self._instruction(prompt.ids, embeddings))
            features = tokens.flatten(0, 1)
        places = prompt.ids == prompt.image_token
        embeddings = embeddings.clone()
        embeddings[places] = embeddings[places] + features.to(embeddings.dtype)
        return embeddings, maps

    def _instruction(self, ids, embeddings):
        """Average the embeddings of the instruction's words: (batch, hidden)."""
        tokens = self.config.tokens
        words = (ids >= tokens.first_word) & (ids < tokens.depth_0)
        weights = words.to(embeddings.dtype)[..., None]
        return (embeddings * weights).sum(1) / weights.sum(1).clamp(min=1)

    def embed(self, ids):
        """Return token embeddings (batch, s, hidden) of an answer."""
        return self.model.transformer.wte(ids)

    def forward(self, embeddings, positions, cache: KvCache | None = None):
        """Return hidden states (batch, s, hidden) for embeddings at integer positions (batch, s)."""
        return self.model.transformer(embeddings, positions, cache)

    def logits(self, hidden):
        """Return logits (…, vocab_size)."""
        return self.lm_head(hidden)
