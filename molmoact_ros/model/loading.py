"""Load a checkpoint folder, published or embedded: config.json and safetensors, checked name by name."""

import torch

from ..errors import InvalidData
from .config_file import network_config
from .network import MolmoActNetwork
from .shards import Shards

# Trained, but never read at inference: the reference does not pass image masks on (spec section 1.3).
_UNUSED = "model.vision_backbone.pad_embed"
_DO = "Use the config.json and the weights of one checkpoint."


def load_network(folder, dtype: torch.dtype | str = torch.float32, device: str = "cpu") -> MolmoActNetwork:
    """Build the network that `folder` describes, in evaluation mode, and fill it.

    Tensors are cast to `dtype` one at a time, largest first, so the peak of host memory is the network in `dtype`
    and a little more. InvalidData names the first tensor that is missing, superfluous, of another shape or not finite.
    """
    network, shards = _opened(folder)
    dtype = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InvalidData(f"dtype {dtype}", "a floating-point type of torch, such as float32", "Correct 'dtype'.")
    network = network.to(dtype).to_empty(device=device).eval()
    targets = network.state_dict()
    for name in sorted(targets, key=lambda name: -targets[name].numel()):
        _fill(targets[name], shards.read(name), name, folder)
    return network


def check_headers(folder) -> str:
    """Compare names and shapes in the files with config.json, without reading weights; return a summary in words."""
    network, _ = _opened(folder)
    return f"{sum(p.numel() for p in network.parameters()):,} parameters"


def _opened(folder) -> tuple[MolmoActNetwork, Shards]:
    """Build the network without memory and open its files; refuse what does not fit."""
    config = network_config(folder)
    shards = Shards(folder)
    deepest = max(config.decoder.num_hidden_layers - 1, *(config.vit.taps if config.vit else (0,)))
    if deepest >= len(shards.shapes):
        found = f"a network with a block {deepest} in config.json of '{folder}'"
        raise InvalidData(found, f"fewer blocks than the {len(shards.shapes)} tensors there", _DO)
    with torch.device("meta"):
        network = MolmoActNetwork(config)
    _check({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}, shards.shapes, folder)
    return network, shards


@torch.no_grad()
def _fill(target: torch.Tensor, stored: torch.Tensor, name: str, folder) -> None:
    target.copy_(stored)
    # A NaN or an infinity is always one of the ends; finding these needs no second copy, as a sum in fp32 would.
    if target.numel() and not all(torch.isfinite(end) for end in target.aminmax()):
        found = f"tensor '{name}' in '{folder}' holds NaN or infinity as {target.dtype}"
        raise InvalidData(found, "finite weights", "Fetch it again, or load it in a wider type.")


def _check(wanted: dict, found: dict, folder) -> None:
    """Name the first difference between the shapes that config.json asks for and those of the files."""
    for name, shape in wanted.items():
        if name not in found:
            raise InvalidData(f"no tensor '{name}' in '{folder}'", f"one of shape {shape}", _DO)
        if found[name] != shape:
            raise InvalidData(f"tensor '{name}' of shape {found[name]} in '{folder}'", f"{shape}", _DO)
    extra = [name for name in found if name not in wanted and name != _UNUSED]
    if extra:
        raise InvalidData(f"unexpected tensor '{extra[0]}' in '{folder}'", "only weights that config.json names", _DO)
