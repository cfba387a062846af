"""Begin a training with the weights of another embedded model, whose words and tokens may lie elsewhere."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from ..errors import InvalidData, MissingPart
from ..model.config import TokenLayout
from ..model.config_file import network_config
from ..model.network import MolmoActNetwork

_TABLES = ("model.transformer.wte.embedding", "lm_head.weight")


def begin_with(network: MolmoActNetwork, checkpoint) -> int:
    """Copy what fits from a checkpoint's folder into `network`; return how many words of its own it keeps.

    Tokens are matched by what they mean: words by their letters, numbers by their value. MissingPart without a
    checkpoint, InvalidData when the networks differ in shape.
    """
    folder = Path(checkpoint)
    if not (folder / "model.safetensors").is_file():
        raise MissingPart(f"no weights in '{folder}'", "model.safetensors", "Name an embedded model to begin with.")
    source = network_config(folder)
    if source.tokens is None or (source.conv, source.vit) != (network.config.conv, network.config.vit):
        raise InvalidData(f"'{folder}' with another vision tower", "that of this training", "Name another model.")
    weights = load_file(folder / "model.safetensors")
    new, old = zip(*_same(network.config.tokens, source.tokens))
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            found = weights.get(name)
            if name in _TABLES and found is not None and found.shape[1:] == tensor.shape[1:]:
                tensor[list(new)] = found[list(old)]
            elif found is None or found.shape != tensor.shape:
                raise InvalidData(f"'{name}' of another shape in '{folder}'", "the same network", "Name another model.")
            else:
                tensor.copy_(found)
    return len(set(network.config.tokens.words) - set(source.tokens.words))


def _same(new: TokenLayout, old: TokenLayout) -> list[tuple[int, int]]:
    """Return pairs of ids (new, old) that mean the same."""
    pairs = [(i, i) for i in range(new.first_word)]
    known = {word: i for i, word in enumerate(old.words)}
    pairs += [(new.first_word + i, old.first_word + known[w]) for i, w in enumerate(new.words) if w in known]
    for name, count in (("depth_0", "depth_codes"), ("coordinate_0", "coordinates"), ("bin_0", "bins")):
        shared = min(getattr(new, count), getattr(old, count))
        pairs += [(getattr(new, name) + i, getattr(old, name) + i) for i in range(shared)]
    return pairs
