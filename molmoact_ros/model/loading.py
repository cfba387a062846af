"""Load a checkpoint folder, published or embedded: config.json and safetensors, checked name by name."""

import json
from pathlib import Path

import torch

from ..errors import InvalidData, MissingPart
from .config import NetworkConfig
from .network import MolmoActNetwork
from .published_config import from_published, is_published
from .shards import Shards

# Trained, but never read at inference: the reference does not pass image masks on (spec section 1.3).
_UNUSED = "model.vision_backbone.pad_embed"


def read_config(folder) -> dict:
    """Return config.json of a checkpoint folder as plain data. MissingPart or InvalidData."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        do = "Give checkpoint:=FOLDER, or run: molmoact train embedded"
        raise MissingPart(f"no config.json in '{folder}'", "a checkpoint folder", do)
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidData(f"'{path}': {error}", "JSON", "Fetch the checkpoint again.") from None
    if not isinstance(data, dict):
        raise InvalidData(f"'{path}' holds {type(data).__name__}", "a JSON object", "Fetch the checkpoint again.")
    return data


def load_network(folder, dtype: torch.dtype | str = torch.float32, device: str = "cpu") -> MolmoActNetwork:
    """Build the network that `folder` describes, in evaluation mode, and fill it.

    Tensors are cast to `dtype` one at a time, largest first, so the peak of host memory is the network in `dtype`
    and a little more. InvalidData names the first tensor that is missing, superfluous, of another shape or not finite.
    """
    network, shards = _opened(folder)
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    network = network.to(dtype).to_empty(device=device).eval()
    targets = network.state_dict()
    for name in sorted(targets, key=lambda name: -targets[name].numel()):
        _fill(targets[name], shards.read(name), name, folder)
    return network


def network_config(folder) -> NetworkConfig:
    """Read config.json of a folder in either layout. MissingPart or InvalidData."""
    data = read_config(folder)
    return from_published(data) if is_published(data) else NetworkConfig.from_dict(data)


def check_headers(folder) -> str:
    """Compare names and shapes in the files with config.json, without reading weights; return a summary in words."""
    network, _ = _opened(folder)
    return f"{sum(p.numel() for p in network.parameters()):,} parameters"


def _opened(folder) -> tuple[MolmoActNetwork, Shards]:
    """Build the network without memory and open its files; refuse what does not fit."""
    config = network_config(folder)
    shards = Shards(folder)
    with torch.device("meta"):
        network = MolmoActNetwork(config)
    _check({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}, shards.shapes, folder)
    return network, shards


@torch.no_grad()
def _fill(target: torch.Tensor, stored: torch.Tensor, name: str, folder) -> None:
    target.copy_(stored)
    # One NaN or infinity makes the sum one, and a sum needs no second copy of the tensor.
    if not torch.isfinite(target.sum(dtype=torch.float32)):
        raise InvalidData(f"tensor '{name}' in '{folder}' holds NaN or infinity", "finite weights", "Fetch it again.")


def _check(wanted: dict, found: dict, folder) -> None:
    """Name the first difference between the shapes that config.json asks for and those of the files."""
    do = "Use the config.json and the weights of one checkpoint."
    for name, shape in wanted.items():
        if name not in found:
            raise InvalidData(f"no tensor '{name}' in '{folder}'", f"one of shape {shape}", do)
        if found[name] != shape:
            raise InvalidData(f"tensor '{name}' of shape {found[name]} in '{folder}'", f"{shape}", do)
    extra = [name for name in found if name not in wanted and name != _UNUSED]
    if extra:
        raise InvalidData(f"unexpected tensor '{extra[0]}' in '{folder}'", "only weights that config.json names", do)
