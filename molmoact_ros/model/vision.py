"""The published vision tower: a pre-norm ViT whose taps are pooled 2x2 and projected (spec section 1.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InvalidData
from .config import VitConfig

_ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


class MultiHeadAttention(nn.Module):
    """Attention with biases on all four projections; scores are computed in fp32 (`float32_attention`)."""

    def __init__(self, width_in: int, width: int, heads: int, kv_heads: int, head_dim: int):
        super().__init__()
        self.group, self.head_dim = heads // kv_heads, head_dim
        self.wq = nn.Linear(width_in, heads * head_dim)
        self.wk, self.wv = (nn.Linear(width_in, kv_heads * head_dim) for _ in range(2))
        self.wo = nn.Linear(heads * head_dim, width)

    def _split(self, x):
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)

    def forward(self, query, context):
        q, k, v = self._split(self.wq(query)), self._split(self.wk(context)), self._split(self.wv(context))
        if self.group > 1:
            k, v = k.repeat_interleave(self.group, 1), v.repeat_interleave(self.group, 1)
        y = F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(query.dtype)
        return self.wo(y.transpose(1, 2).flatten(2))


class _ViTFeedForward(nn.Module):
    def __init__(self, config: VitConfig):
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.w2 = nn.Linear(config.intermediate_size, config.hidden_size)
        if config.hidden_act not in _ACTIVATIONS:
            raise InvalidData(f"hidden_act '{config.hidden_act}'", f"one of {sorted(_ACTIVATIONS)}", "Fix config.json.")
        self.act = _ACTIVATIONS[config.hidden_act]

    def forward(self, x):
        return self.w2(self.act(self.w1(x)))


class _ViTBlock(nn.Module):
    def __init__(self, config: VitConfig):
        super().__init__()
        width = config.hidden_size
        self.attention = MultiHeadAttention(
            width, width, config.num_attention_heads, config.num_key_value_heads, config.head_dim
        )
        self.feed_forward = _ViTFeedForward(config)
        self.attention_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.ffn_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, x):
        normed = self.attention_norm(x)
        x = x + self.attention(normed, normed)
        return x + self.feed_forward(self.ffn_norm(x))


class VisionTransformer(nn.Module):
    """Patches (batch, n, 3 * p * p) -> the tapped block outputs side by side (batch, n, hidden * taps).

    Blocks above the highest tap are not built, as in the published checkpoints.
    """

    def __init__(self, config: VitConfig):
        super().__init__()
        self.config = config
        self.patch_embedding = nn.Linear(3 * config.patch_size**2, config.hidden_size, bias=config.patch_bias)
        self.positional_embedding = nn.Parameter(torch.zeros(config.num_positions, config.hidden_size))
        blocks = [_ViTBlock(config) for _ in range(max(config.taps) + 1)]
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(blocks)})
        if config.use_cls_token:
            self.class_embedding = nn.Parameter(torch.zeros(config.hidden_size))
        if config.pre_layernorm:
            self.pre_ln = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, patches):
        x = self.patch_embedding(patches)
        if self.config.use_cls_token:
            x = torch.cat([self.class_embedding.expand(len(x), 1, -1).to(x.dtype), x], dim=1)
        x = x + self.positional_embedding
        if self.config.pre_layernorm:
            x = self.pre_ln(x)
        outputs = []
        for block in self.transformer["resblocks"]:
            x = block(x)
            outputs.append(x)
        features = torch.cat([outputs[i] for i in self.config.taps], dim=-1)
        return features[:, 1:] if self.config.use_cls_token else features


class _Projector(nn.Module):
    def __init__(self, width: int, inner: int, out: int):
        super().__init__()
        self.w1, self.w3 = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, out, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class VisionBackbone(nn.Module):
    """Crops -> one feature row per `<im_patch>` token."""

    def __init__(self, config: VitConfig, hidden_size: int):
        super().__init__()
        self.image_vit = VisionTransformer(config)
        tapped = config.hidden_size * len(config.taps)
        self.image_pooling_2d = MultiHeadAttention(
            tapped,
            config.pooling_size,
            config.pooling_heads,
            config.pooling_key_value_heads,
            config.pooling_head_dim,
        )
        self.image_projector = _Projector(config.pooling_size, config.projector_size, hidden_size)

    def vit_features(self, crops):
        """Return the tapped ViT features (batch, t, n, hidden * taps) of crops (batch, t, n, 3pp)."""
        return self.image_vit(crops.flatten(0, 1)).unflatten(0, crops.shape[:2])

    def forward(self, crops, pooled_index):
        """Return (rows, hidden) for crops (batch, t, n, 3pp) and pooled_index (batch, p, 4), -1 = no patch.

        A place without any patch has no row.
        """
        return self.pooled(crops, pooled_index)[(pooled_index >= 0).flatten(0, 1).any(-1)]

    def pooled(self, crops, pooled_index):
        """Return a row for every place of pooled_index, also for those without a patch.

        Missing patches count as zeros and stay visible to the attention: the published network was trained that way.
        """
        features = self.vit_features(crops).flatten(1, 2)
        present = pooled_index >= 0
        index = pooled_index.clamp(min=0).flatten(1)[..., None].expand(-1, -1, features.shape[-1])
        rows = features.gather(1, index).view(*pooled_index.shape, -1) * present[..., None].to(features.dtype)
        rows = rows.flatten(0, 1)
        pooled = self.image_pooling_2d(rows.mean(1, keepdim=True), rows)[:, 0]
        return self.image_projector(pooled)
