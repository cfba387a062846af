"""Rotation, cache write and attention: as eager torch computes them, and as ONNX operators of opset 24 for export.

One decoder calls them; which set it gets is a property of its cache. Shapes: q (b, heads, s, dh), k and v
(b, kv_heads, n, dh), cos and sin (b, 1, s, dh) with both halves alike.
"""

import torch
import torch.nn.functional as F

OPSET = 24


class EagerOps:
    """What torch runs, and what the `compat` export traces (opset 18: gathers, scatters, matrix products)."""

    @staticmethod
    def rotate(x, cos, sin):
        """Turn (b, heads, s, dh) by RoPE, half-split style."""
        first, second = x.chunk(2, dim=-1)
        return x * cos.to(x.dtype) + torch.cat([-second, first], dim=-1) * sin.to(x.dtype)

    @staticmethod
    def put(cache, new, start):
        """Return a cache (b, kv_heads, S, dh) with new (b, kv_heads, s, dh) at start (1,) and after."""
        return cache.index_copy(2, start + torch.arange(new.shape[2], device=new.device), new)

    @staticmethod
    def attend(q, k, v, mask):
        """Attend; mask: broadcast to (b, heads, s, n), True = may be seen; None = causal."""
        group = q.shape[1] // k.shape[1]
        if group > 1:
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None and q.shape[2] > 1)


class NativeOps(EagerOps):
    """The operators of ONNX opset 23 and 24 that engines map to their own layers. For export alone."""

    @staticmethod
    def rotate(x, cos, sin):
        """Return RotaryEmbedding."""
        half = x.shape[-1] // 2
        return torch.onnx.ops.rotary_embedding(x, cos[:, 0, :, :half].to(x.dtype), sin[:, 0, :, :half].to(x.dtype))

    @staticmethod
    def put(cache, new, start):
        """Return TensorScatter, which engines do in place when input and output are one buffer."""
        attributes = {"axis": 2, "mode": "linear"}
        return torch.onnx.ops.symbolic(
            "TensorScatter", [cache, new, start], attributes, dtype=cache.dtype, shape=cache.shape, version=OPSET
        )

    @staticmethod
    def attend(q, k, v, mask):
        """Return Attention, grouped queries included."""
        return torch.onnx.ops.attention(q, k, v, mask)[0]
