"""Read the config.json of a published MolmoAct checkpoint (field names as in spec section 1.2).

What the native network does not compute is refused by name: a value that is silently ignored is a wrong answer.
"""

from dataclasses import fields

from ..errors import InvalidData
from .config import DecoderConfig, NetworkConfig, VitConfig, as_tuple, require_fit

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
# What only embedded models have.
_EMBEDDED_ALONE = ("learned_positions", "picture")
# Our field -> section and name in the file, where the name is another one or not in the section of its class.
_PLACES = {
    "patch_size": ("vit_config", "image_patch_size"),
    "num_positions": ("vit_config", "image_num_pos"),
    "vit_layers": ("adapter_config", "vit_layers"),
    "pooling_size": ("adapter_config", "hidden_size"),
    "pooling_heads": ("adapter_config", "num_attention_heads"),
    "pooling_key_value_heads": ("adapter_config", "num_key_value_heads"),
    "pooling_head_dim": ("adapter_config", "head_dim"),
    "projector_size": ("adapter_config", "intermediate_size"),
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
    return NetworkConfig(_decoder(data), _vit(data), image_patch_id=data.get("image_patch_id"))


def _decoder(data: dict) -> DecoderConfig:
    llm = data["llm_config"]
    config = _read(DecoderConfig, "llm_config", data)
    if config.use_qk_norm and llm.get("qk_norm_type", "olmo") != "olmo":
        raise _refusal(f"llm_config.qk_norm_type = {llm['qk_norm_type']!r}", "'olmo'")
    return config


def _vit(data: dict) -> VitConfig:
    config = _read(VitConfig, "vit_config", data)
    depth = config.num_hidden_layers
    if not config.vit_layers or not all(-depth <= i < depth for i in config.vit_layers):
        raise _refusal(f"adapter_config.vit_layers = {list(config.vit_layers)}", f"blocks of {depth}")
    patches = _patches(data["vit_config"], config)
    if config.num_positions != patches + config.use_cls_token:
        # The reference resamples the table in this case; no published checkpoint needs it.
        raise _refusal(f"vit_config.image_num_pos = {config.num_positions}", f"{patches + config.use_cls_token}")
    return config


def _read(kind, section: str, data: dict):
    """Read all fields of a config class; none has a default here, because a guess would be a silent wrong answer."""
    values = {}
    for field in fields(kind):
        if field.name in _EMBEDDED_ALONE:
            continue
        place, name = _PLACES.get(field.name, (section, field.name))
        # a tower without grouped queries may leave their number out
        given = {"num_key_value_heads": data[place].get("num_attention_heads"), **data[place]}
        require_fit(field, f"{place}.{name}", given, name, "config.json")
        values[field.name] = as_tuple(given[name])
    return kind(**values)


def _patches(vit: dict, config: VitConfig) -> int:
    size = vit.get("image_default_input_size")
    if not isinstance(size, (list, tuple)) or [type(side) for side in size] != [int, int]:
        raise _refusal(f"vit_config.image_default_input_size = {size!r}", "height and width")
    height, width = size
    return (height // config.patch_size) * (width // config.patch_size)


def _refusal(found: str, expected: str) -> InvalidData:
    return InvalidData(f"{found} in config.json", expected, "Use the config.json that came with the weights.")
