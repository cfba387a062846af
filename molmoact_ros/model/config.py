"""What a checkpoint is: sizes of the network and the meaning of its token ids.

One set of classes for the published 7B models and for the embedded one; only the numbers and the vision tower differ.
"""

import math
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import get_args, get_origin

from ..errors import InvalidData


# Patches along a side of what one image token pools (spec section 2.3).
VIT_POOLING = 2
_SMALL_PATCH = 10


@dataclass(frozen=True)
class DecoderConfig:
    """The language model (spec section 1.2). `learned_positions` > 0 adds a learned position table (embedded model)."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    additional_vocab_size: int = 0
    qkv_bias: bool = True
    use_qk_norm: bool = False
    norm_after: bool = False
    layer_norm_eps: float = 1e-6
    rope_theta: float = 1e6
    learned_positions: int = 0


@dataclass(frozen=True)
class VitConfig:
    """The SigLIP- or CLIP-type vision transformer and its connector (spec sections 1.2, 1.3).

    picture: (width, height) px of the one picture, cut into whole patches, that an embedded model looks at; empty:
    square crops as the published image processor makes them.
    """

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    patch_size: int
    num_positions: int
    vit_layers: tuple[int, ...]
    pooling_size: int
    pooling_heads: int
    pooling_key_value_heads: int
    pooling_head_dim: int
    projector_size: int
    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6
    use_cls_token: bool = False
    patch_bias: bool = True
    pre_layernorm: bool = False
    picture: tuple[int, ...] = ()

    @property
    def taps(self) -> tuple[int, ...]:
        """Indices of the blocks whose outputs are concatenated, in order."""
        return tuple(i % self.num_hidden_layers for i in self.vit_layers)


@dataclass(frozen=True)
class ConvTowerConfig:
    """The small vision tower: a convolutional stem that the instruction steers (FiLM) and that points at things."""

    image_size: tuple[int, int] = (160, 120)
    channels: tuple[int, ...] = (24, 48, 80, 96)
    grid: tuple[int, int] = (4, 3)
    keypoints: int = 3

    def __post_init__(self):
        # the channels are normalised in 4 groups
        whole = len(self.channels) == 4 and all(c > 0 and c % 4 == 0 for c in self.channels)
        if not whole or min(*self.image_size, *self.grid) < 1:
            raise InvalidData(f"{self}", "4 channel counts that 4 divides, sizes above 0", "Fix config.json.")

    @property
    def tokens(self) -> int:
        """Number of image tokens."""
        return self.grid[0] * self.grid[1] + self.keypoints


@dataclass(frozen=True)
class TokenLayout:
    """Where each kind of token lives in the vocabulary of an embedded model; `words` are the instruction words.

    `annotated` begins a prompt instead of BOS when a trace to be followed is drawn in the picture.
    """

    words: tuple[str, ...]
    depth_codes: int = 128
    depth_count: int = 100
    coordinates: int = 256
    bins: int = 255
    state_dims: int = 4
    max_words: int = 12

    pad, bos, eos, im_patch = 0, 1, 2, 3
    depth_start, depth_end, trace_start, trace_end, action_start = 4, 5, 6, 7, 8
    annotated, first_word = 9, 10

    @property
    def depth_0(self) -> int:
        """Id of depth code 0."""
        return self.first_word + len(self.words)

    @property
    def coordinate_0(self) -> int:
        """Id of image coordinate 0."""
        return self.depth_0 + self.depth_codes

    @property
    def bin_0(self) -> int:
        """Id of the lowest action bin; the bins also spell the robot's state in the prompt."""
        return self.coordinate_0 + self.coordinates

    @property
    def size(self) -> int:
        """Number of ids."""
        return self.bin_0 + self.bins


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the network's shape."""

    decoder: DecoderConfig
    vit: VitConfig | None = None
    conv: ConvTowerConfig | None = None
    tokens: TokenLayout | None = None
    image_patch_id: int | None = None

    def __post_init__(self):
        if (self.vit is None) == (self.conv is None):
            raise InvalidData("a config with two vision towers or none", "either 'vit' or 'conv'", "Fix config.json.")
        if self.tokens and self.picture is None:
            raise InvalidData("an embedded model without the size of its picture", "vit.picture", "Fix config.json.")
        if self.tokens and self.tokens.size != self.decoder.vocab_size:
            found = f"tokens for {self.tokens.size} ids with vocab_size {self.decoder.vocab_size}"
            raise InvalidData(found, "as many", "Fix config.json.")
        rows = self.decoder.vocab_size + self.decoder.additional_vocab_size
        if type(self.image_token) is not int or not 0 <= self.image_token < rows:
            raise InvalidData(f"image_patch_id {self.image_token!r}", f"a token id below {rows}", "Fix config.json.")

    @property
    def image_token(self) -> int | None:
        """Id of the token whose embedding the image features are added to."""
        return self.tokens.im_patch if self.tokens else self.image_patch_id

    @property
    def picture(self) -> tuple[int, int] | None:
        """Size (width, height) px of the one picture that an embedded model looks at, None for a published one."""
        return self.conv.image_size if self.conv else self.vit.picture or None

    @property
    def image_tokens(self) -> int:
        """Number of image tokens of an embedded model."""
        return self.conv.tokens if self.conv else self.vit.num_positions // VIT_POOLING**2

    def to_dict(self) -> dict:
        """Return plain JSON data; the inverse of from_dict."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> "NetworkConfig":
        """Build from plain JSON data; unknown or missing keys are refused."""
        parts = {"decoder": DecoderConfig, "vit": VitConfig, "conv": ConvTowerConfig, "tokens": TokenLayout}
        built = {k: _build(parts[k], v) for k, v in data.items() if k in parts and v is not None}
        known = {f.name for f in fields(cls)}
        if set(data) - known or "decoder" not in built:
            raise InvalidData(f"config keys {sorted(data)}", f"keys among {sorted(known)}", "Fix config.json.")
        return cls(**built, image_patch_id=data.get("image_patch_id"))


def _build(kind, data: dict):
    known = [f.name for f in fields(kind)]
    if not isinstance(data, dict) or set(data) - set(known):
        raise InvalidData(f"{kind.__name__} of {sorted(data) if isinstance(data, dict) else data!r}",
                          f"fields among {known}", "Fix config.json.")  # fmt: skip
    for f in fields(kind):
        if f.default is MISSING or f.name in data:
            require_fit(f, f"{kind.__name__}.{f.name}", data, f.name, "config.json")
    return kind(**{k: as_tuple(v) for k, v in data.items()})


def require_fit(field: Field, called: str, data: dict, name: str, file: str) -> None:
    """Refuse data[name] as value of a dataclass field: missing, of another type, or a number that is not above 0.

    A number may also be the field's default. `called` is what the error says. InvalidData.
    """
    kind = field.type if get_origin(field.type) is tuple else field.type.__name__
    if name not in data:
        raise InvalidData(f"no field '{called}' in {file}", f"a value ({kind})", "Use the file beside the weights.")
    value = data[name]
    positive = field.type not in (int, float) or value == field.default
    if not _fits(field.type, value) or not (positive or value > 0):
        expected = f"{kind}" + " above 0" * (field.type in (int, float))
        raise InvalidData(f"{called} = {value!r} in {file}", expected, "Use the file beside the weights.")


def _fits(kind, value) -> bool:
    """Whether a JSON value has the type that a field is annotated with."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        right_length = kinds[-1] is Ellipsis or isinstance(value, (list, tuple)) and len(value) == len(kinds)
        return isinstance(value, (list, tuple)) and right_length and all(_fits(kinds[0], v) for v in value)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def as_tuple(value):
    """Turn JSON lists, also nested ones, into tuples."""
    return tuple(as_tuple(v) for v in value) if isinstance(value, list) else value


def molmoact_7b_d() -> NetworkConfig:
    """Return the published MolmoAct-7B-D: Qwen2.5-7B with a SigLIP2 so400m/14 tower (spec section 1.2)."""
    decoder = DecoderConfig(3584, 28, 28, 4, 128, 18944, 152064, 128)
    vit = VitConfig(1152, 4304, 27, 16, 16, 72, 14, 729, (-3, -9), 1152, 16, 16, 72, 18944)
    return NetworkConfig(decoder, vit=vit, image_patch_id=152066)


def embedded(words: tuple[str, ...], image_size: tuple[int, int] = (160, 120), tower: str = "conv") -> NetworkConfig:
    """Return the embedded model of the simulated cell, about 1.6 million parameters, for these instruction words.

    tower: conv, or the published kind of ViT of about the same size.
    """
    tokens = TokenLayout(words)
    decoder = DecoderConfig(
        128, 4, 4, 2, 32, 352, tokens.size, 0, layer_norm_eps=1e-6, rope_theta=1e4, learned_positions=224
    )
    if tower == "conv":
        return NetworkConfig(decoder, conv=ConvTowerConfig(image_size=image_size), tokens=tokens)
    return NetworkConfig(decoder, vit=small_vit(image_size), tokens=tokens)


def small_vit(image_size: tuple[int, int]) -> VitConfig:
    """Return a ViT of about half a million parameters for one picture (w, h) px. InvalidData for another proportion."""
    if any(size % (_SMALL_PATCH * VIT_POOLING) for size in image_size):
        found = f"a picture of {image_size} px for the ViT"
        raise InvalidData(found, f"sides that {_SMALL_PATCH * VIT_POOLING} divides", "Use the convolutional tower.")
    patches = image_size[0] * image_size[1] // _SMALL_PATCH**2
    return VitConfig(96, 288, 4, 4, 4, 24, _SMALL_PATCH, patches, (-1,), 96, 4, 4, 24, 256, picture=image_size)
