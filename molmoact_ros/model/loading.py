"""Load a checkpoint folder: config.json and model.safetensors, checked name by name and shape by shape."""

import json
from pathlib import Path

from safetensors.torch import load_file

from ..errors import InvalidData, MissingPart
from .config import NetworkConfig
from .network import MolmoActNetwork


def load_network(folder) -> MolmoActNetwork:
    """Build the network that `folder` describes and fill it; the first mismatch is named."""
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise MissingPart(
                f"no {name} in '{folder}'",
                "a checkpoint folder",
                "Give checkpoint:=FOLDER, or run: molmoact train embedded",
            )
    network = MolmoActNetwork(NetworkConfig.from_dict(json.loads((folder / "config.json").read_text())))
    weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    _check(network.state_dict(), weights, folder)
    network.load_state_dict(weights)
    return network


def _check(expected: dict, found: dict, folder: Path) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise InvalidData(f"no tensor '{name}' in '{folder}'", "every weight of config.json", "Use matching files.")
        if found[name].shape != tensor.shape:
            raise InvalidData(
                f"tensor '{name}' of shape {tuple(found[name].shape)} in '{folder}'",
                f"{tuple(tensor.shape)}",
                "Use matching files.",
            )
    extra = sorted(set(found) - set(expected))
    if extra:
        raise InvalidData(
            f"unexpected tensor '{extra[0]}' in '{folder}'", "only weights of config.json", "Use matching files."
        )
