"""The whole network: images and tokens in, logits out. Parameter names are those of the published checkpoints."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InvalidData
from .config import NetworkConfig
from .conv_tower import ConvTower
from .decoder import Decoder
from .kv_cache import KvCache
from .vision import VisionBackbone


@dataclass(frozen=True)
class Prompt:
    """What the model reads before it answers.

    ids (batch, s) int64. images: for a ViT, crops (batch, t, n, 3pp) with pooled_index (batch, p, 4);
    for the convolutional tower (batch, 3, h, w) in -1..1; None = text alone.
    """

    ids: torch.Tensor
    images: torch.Tensor | None = None
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

    def forward(self, input_ids, images=None, pooled_patches_idx=None, position_ids=None, attention_mask=None):
        """Return logits (batch, s, vocab_size) of a whole sequence at once, without a cache.

        input_ids (batch, s) int64. images and pooled_patches_idx: see Prompt. position_ids (batch, s), by default
        0..s-1 over padding, too, as in the reference. attention_mask (batch, s): 0 = padding.
        """
        embeddings, _ = self.embed_prompt(Prompt(input_ids, images, pooled_patches_idx))
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device).expand(input_ids.shape)
        return self.logits(self.decode(embeddings, position_ids, attention_mask=attention_mask))

    def vit_features(self, images):
        """Return the tapped ViT features (batch, t, n, hidden * taps) of crops (batch, t, n, 3pp)."""
        return self.model.vision_backbone.vit_features(images.to(self.lm_head.weight.dtype))

    def image_features(self, images, pooled_patches_idx):
        """Return one row (rows, hidden) per image token for crops (batch, t, n, 3pp) and indices (batch, p, 4)."""
        return self.model.vision_backbone(images.to(self.lm_head.weight.dtype), pooled_patches_idx)

    def look(self, prompt: Prompt):
        """Return features (rows, hidden), one per image token, and pointing maps; (None, None) for text alone.

        The maps are None for a ViT.
        """
        if prompt.images is None:
            return None, None
        if self.config.vit is not None:
            return self.image_features(prompt.images, prompt.pooled_index), None
        embeddings = self.embed(prompt.ids.clamp(min=0))
        tokens, maps = self.model.vision_backbone(prompt.images, self._instruction(prompt.ids, embeddings))
        return tokens.flatten(0, 1), maps

    def place(self, ids, features):
        """Return (batch, s, hidden): token embeddings with features (rows, hidden) added at the image tokens.

        InvalidData when there are not as many image tokens as features.
        """
        embeddings = self.embed(ids.clamp(min=0))
        if features is None:
            return embeddings
        places = ids == self.config.image_token
        if int(places.sum()) != len(features):
            raise InvalidData(f"{int(places.sum())} image tokens", f"{len(features)}, one per feature", "Fix the ids.")
        embeddings = embeddings.clone()
        embeddings[places] = embeddings[places] + features.to(embeddings.dtype)
        return embeddings

    def embed_prompt(self, prompt: Prompt):
        """Return (batch, s, hidden) of a whole prompt, and the pointing maps; see look and place."""
        features, maps = self.look(prompt)
        return self.place(prompt.ids, features), maps

    def _instruction(self, ids, embeddings):
        """Read the instruction, and whether a trace is drawn in the picture: (batch, hidden)."""
        tokens, first = self.config.tokens, 1 + self.config.conv.tokens
        place = slice(first, first + tokens.max_words)
        known = ids[:, place] != tokens.pad
        return self.model.vision_backbone.reader(embeddings[:, place], known) + embeddings[:, 0]

    def embed(self, ids):
        """Return token embeddings (batch, s, hidden) of an answer."""
        return self.model.transformer.wte(ids)

    def decode(self, embeddings, positions, cache: KvCache | None = None, attention_mask=None):
        """Return hidden states (batch, s, hidden) for embeddings at integer positions (batch, s).

        attention_mask (batch, cached + s): 0 = padding; None = no padding.
        """
        return self.model.transformer(embeddings, positions, cache, attention_mask)

    def logits(self, hidden):
        """Return logits (…, vocab_size)."""
        return self.lm_head(hidden)
