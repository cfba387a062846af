"""The best that memory allows: what one pass through a large decoder has to read, over how fast a GPU can read it.

A pass that decides few tokens reads every weight once and does little else, so no implementation is faster than that.
Up to a few dozen tokens per pass stay below the limit of computing on all GPUs here; reading a whole question does not.
"""

from ...model.config import DecoderConfig

# Memory bandwidth [GB/s], as the vendor states it.
GPUS = {
    "Jetson AGX Orin 64": 204.8,
    "Jetson Thor": 273.0,
    "RTX 4090": 1008.0,
    "RTX 5090": 1792.0,
    "H100 SXM": 3350.0,
}
# What the driver calls them.
_CALLED = dict(zip(("Orin", "Thor", "4090", "5090", "H100"), GPUS))
# Bytes per weight of the blocks. int4: and a 16-bit scale for every 128 weights.
PRECISIONS = {"bf16": 2.0, "fp8": 1.0, "int4": 0.5 + 2 / 128}
# The output layer and the cache stay at 16 bits.
_WIDE = 2


def block_weights(config: DecoderConfig) -> int:
    """Return the number of weights in the decoder's matrices, token table and output layer not counted."""
    inner = config.num_attention_heads * config.head_dim
    projected = inner + 2 * config.num_key_value_heads * config.head_dim
    each = config.hidden_size * (projected + inner + 3 * config.intermediate_size)
    return each * config.num_hidden_layers


def pass_bytes(config: DecoderConfig, precision: str, scored: int, cached: int) -> float:
    """Return what one pass reads [bytes]: blocks, `scored` rows of the output layer, `cached` keys and values."""
    weights = block_weights(config) * PRECISIONS[precision] + scored * config.hidden_size * _WIDE
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * _WIDE
    return weights + cached * token


def pass_ms(size: float, gb_s: float) -> float:
    """Return the shortest time [ms] in which memory of `gb_s` gives `size` bytes."""
    return size / gb_s / 1e6


def gpu_of(name: str) -> str | None:
    """Return which of GPUS a driver's name stands for, None for another one."""
    return next((gpu for part, gpu in _CALLED.items() if part in name), None)
