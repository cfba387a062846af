"""The decoder: RoPE, grouped-query attention, SwiGLU, RMSNorm; Qwen2.5 or OLMo-2 by config (spec section 1.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from .attention_ops import EagerOps
from .config import DecoderConfig
from .kv_cache import KvCache, SlotCache


class RmsNorm(nn.Module):
    """Root-mean-square norm, computed in fp32, cast back, then scaled."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def rope_table(config: DecoderConfig, positions):
    """Return cos, sin (batch, 1, s, head_dim) in fp32 for integer positions (batch, s)."""
    exponent = torch.arange(0, config.head_dim, 2, device=positions.device).float() / config.head_dim
    angles = positions[:, None, :, None].float() * config.rope_theta**-exponent
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


class Attention(nn.Module):
    """Causal grouped-query attention with a fused [q | k | v] projection."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = (
            config.num_attention_heads, config.num_key_value_heads, config.head_dim,
        )  # fmt: skip
        self.widths = [self.heads * self.head_dim, self.kv_heads * self.head_dim, self.kv_heads * self.head_dim]
        self.att_proj = nn.Linear(config.hidden_size, sum(self.widths), bias=config.qkv_bias)
        self.attn_out = nn.Linear(self.widths[0], config.hidden_size, bias=False)
        if config.use_qk_norm:
            # OLMo-2 normalises the whole projected width, before the heads are split.
            self.q_norm = RmsNorm(self.widths[0], config.layer_norm_eps)
            self.k_norm = RmsNorm(self.widths[1], config.layer_norm_eps)
        self.use_qk_norm = config.use_qk_norm

    def _split(self, x, heads: int):
        return x.view(*x.shape[:2], heads, self.head_dim).transpose(1, 2)

    def forward(self, x, cos, sin, cache, layer: int, mask):
        q, k, v = self.att_proj(x).split(self.widths, dim=-1)
        if self.use_qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = self._split(q, self.heads), self._split(k, self.kv_heads), self._split(v, self.kv_heads)
        ops = EagerOps if cache is None else cache.ops
        q, k = ops.rotate(q, cos, sin), ops.rotate(k, cos, sin)
        if cache is not None:
            k, v = cache.write(layer, k, v)
        y = ops.attend(q, k, v, mask)
        return self.attn_out(y.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1))


class FeedForward(nn.Module):
    """SwiGLU; the first half of the fused projection is the value, the second the gate."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.ff_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.ff_out = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        value, gate = self.ff_proj(x).chunk(2, dim=-1)
        return self.ff_out(F.silu(gate) * value)


class Block(nn.Module):
    """One layer; Qwen normalises what goes in, OLMo-2 what comes out (`norm_after`)."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.self_attn, self.mlp = Attention(config), FeedForward(config)
        self.attn_norm = RmsNorm(config.hidden_size, config.layer_norm_eps)
        self.ff_norm = RmsNorm(config.hidden_size, config.layer_norm_eps)
        self.norm_after = config.norm_after

    def forward(self, x, cos, sin, cache, layer, mask):
        if self.norm_after:
            x = x + self.attn_norm(self.self_attn(x, cos, sin, cache, layer, mask))
            return x + self.ff_norm(self.mlp(x))
        x = x + self.self_attn(self.attn_norm(x), cos, sin, cache, layer, mask)
        return x + self.mlp(self.ff_norm(x))


class Embedding(nn.Module):
    """Token table in two parts: the base vocabulary, and image tokens that can be read but never sampled."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(config.vocab_size, config.hidden_size))
        if config.additional_vocab_size:
            self.new_embedding = nn.Parameter(torch.zeros(config.additional_vocab_size, config.hidden_size))

    def forward(self, ids):
        if not hasattr(self, "new_embedding"):
            return F.embedding(ids, self.embedding)
        base = len(self.embedding)
        # Two small lookups: joining the tables would copy a gigabyte for every token of a 7B model.
        rows = F.embedding(ids.clamp(max=base - 1), self.embedding)
        added = F.embedding((ids - base).clamp(min=0), self.new_embedding)
        return torch.where((ids >= base)[..., None], added, rows)


class Decoder(nn.Module):
    """Embeddings in, normalised hidden states out."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.config = config
        self.wte = Embedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.ln_f = RmsNorm(config.hidden_size, config.layer_norm_eps)
        if config.learned_positions:
            self.wpe = nn.Parameter(torch.zeros(config.learned_positions, config.hidden_size))

    def forward(self, embeddings, positions, cache: KvCache | SlotCache | None = None, attention_mask=None):
        """Run (batch, s, hidden) at integer positions (batch, s); with a cache, after what it holds.

        attention_mask (batch, cached + s): 0 = padding, seen by nobody but itself; None = no padding. A SlotCache
        brings its own mask.
        """
        x = embeddings
        if self.config.learned_positions:
            x = x + self.wpe[positions]
        cos, sin = rope_table(self.config, positions)
        slots = isinstance(cache, SlotCache)
        mask = cache.mask if slots else _mask(cache.length if cache else 0, x, attention_mask)
        for layer, block in enumerate(self.blocks):
            x = block(x, cos, sin, cache, layer, mask)
        if cache is not None and not slots:
            cache.length += x.shape[1]
        return self.ln_f(x)


def _mask(cached: int, x, attention_mask):
    """Let new token i see all cached tokens and new tokens up to i; None where plain causality already says so."""
    new = x.shape[1]
    padded = attention_mask is not None and not bool(attention_mask.all())
    if not padded and (cached == 0 or new == 1):
        return None
    causal = torch.ones(new, cached + new, dtype=torch.bool, device=x.device).tril(cached)
    if not padded:
        return causal
    # A padding token that saw nothing at all would turn into NaN, and so would everything after it.
    itself = torch.eye(new, dtype=torch.bool, device=x.device)
    itself = torch.cat([torch.zeros(new, cached, dtype=torch.bool, device=x.device), itself], dim=1)
    return (causal & attention_mask.bool()[:, None, None, :]) | itself
