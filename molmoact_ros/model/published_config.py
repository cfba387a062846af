"""Read the config.json of a published MolmoAct checkpoint (field names as in spec section 1.2).

What the native network does not compute is refused by name: a value that is silently ignored is a wrong answer.
"""

from dataclasses import fields

from ..errors import InvalidData
from .config import DecoderConfig, NetworkConfig, VitConfig, as_tuple

SECTIONS = ("llm_config", "vit_config", "adapter_config")
# section -> field -> values that the network computes; a field that is absent has the first one.
_COMPUTED = {
    "llm_config": {"hidden_act": ("silu",), "rope_scaling": (None,), "tie_word_embeddings": (False, None)},
    "vit_config": {"float32_attention": (True,)},
    "adapter_config": {
        "hidden_act": ("silu",),
        "float32_attention": (True,),
        "image_padding_embed": (None, "pad_and_partial_pad"),
    },
}


def is_published(data: dict) -> bool:
    """Whether a config.json has the published layout rather than that of an embedded model."""
    return any(section in data for section in SECTIONS)


def from_published(data: dict) -> NetworkConfig:
    """Build the network's config; a missing or unsupported field is an InvalidData that names it."""
    for section in SECTIONS:
        if not isinstance(data.get(section), dict):
            raise _refusal(f"no '{section}'", "the sections " + ", ".join(SECTIONS))
        for name, values in _COMPUTED[section].items():
            if data[section].get(name, values[0]) not in values:
                raise _refusal(f"{section}.{name} = {data[section][name]!r}", f"one of {values}")
    try:
        return NetworkConfig(_decoder(data["llm_config"]), _vit(data), image_patch_id=int(data["image_patch_id"]))
    except KeyError as error:
        raise _refusal(f"no field {error}", "every field of a published MolmoAct config") from None


def _decoder(llm: dict) -> DecoderConfig:
    config = DecoderConfig(**{f.name: llm[f.name] for f in fields(DecoderConfig) if f.name in llm})
    if config.use_qk_norm and llm.get("qk_norm_type", "olmo") != "olmo":
        raise _refusal(f"llm_config.qk_norm_type = {llm['qk_norm_type']!r}", "'olmo'")
    return config


def _vit(data: dict) -> VitConfig:
    vit, adapter = data["vit_config"], data["adapter_config"]
    heads, pooling_heads = vit["num_attention_heads"], adapter["num_attention_heads"]
    config = VitConfig(
        **{f.name: as_tuple(vit[f.name]) for f in fields(VitConfig) if f.name in vit and "key_value" not in f.name},
        num_key_value_heads=vit.get("num_key_value_heads", heads),
        patch_size=vit["image_patch_size"],
        num_positions=vit["image_num_pos"],
        vit_layers=tuple(adapter["vit_layers"]),
        pooling_size=adapter["hidden_size"],
        pooling_heads=pooling_heads,
        pooling_key_value_heads=adapter.get("num_key_value_heads", pooling_heads),
        pooling_head_dim=adapter["head_dim"],
        projector_size=adapter["intermediate_size"],
    )
    patches = _patches(vit, config)
    if config.num_positions != patches + config.use_cls_token:
        # The reference resamples the table in this case; no published checkpoint needs it.
        raise _refusal(f"vit_config.image_num_pos = {config.num_positions}", f"{patches + config.use_cls_token}")
    return config


def _patches(vit: dict, config: VitConfig) -> int:
    height, width = vit["image_default_input_size"]
    return (height // config.patch_size) * (width // config.patch_size)


def _refusal(found: str, expected: str) -> InvalidData:
    return InvalidData(f"{found} in config.json", expected, "Use the config.json that came with the weights.")
