"""Read and write the weights of the depth VQ-VAE: safetensors (also in shards) and the published vae-final.pt.

Nothing here runs code from a file: safetensors hold tensors only, and .pt files are opened with `weights_only`.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..errors import InvalidData, MissingPart
from .depth_vqvae import DepthVqvae, DepthVqvaeConfig
from .pickles import load_tensors
from .shards import INDEX, Shards

# Repository hosts and reviewers frown on larger files.
SHARD_BYTES = 8_000_000


def load_depth_vqvae(path, config: DepthVqvaeConfig = DepthVqvaeConfig(), device: str = "cpu") -> DepthVqvae:
    """Build the network in evaluation mode with the weights of `path`, in float32.

    path: a folder with safetensors (one file or shards with an index), a .safetensors file, or a .pt / .pth file
    holding a raw state dict or {"weights": state dict}. Raises MissingPart or InvalidData.
    """
    state = {name.removeprefix("module."): tensor.float() for name, tensor in _read(Path(path)).items()}
    model = DepthVqvae(config)
    _check(model.state_dict(), state, path)
    model.load_state_dict(state)
    # channels_last is a third faster in oneDNN's transposed convolutions.
    return model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


def save_depth_vqvae(model: DepthVqvae, folder, dtype: torch.dtype = torch.float16) -> list[Path]:
    """Write the weights to `folder` as safetensors shards of at most SHARD_BYTES with an index; return the files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    shards = _shards(state)
    names = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards):
        save_file(shard, folder / name)
        (folder / name).chmod(0o644)  # safetensors writes for the owner alone
    weight_map = {key: name for name, shard in zip(names, shards) for key in shard}
    size = sum(tensor.nbytes for tensor in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n")
    return [folder / name for name in (*names, INDEX)]


def _shards(state: dict) -> list[dict]:
    """Deal tensors, in order, into dicts below SHARD_BYTES; a little room stays for the headers."""
    shards, room = [{}], SHARD_BYTES - 20_000
    for name, tensor in state.items():
        if shards[-1] and tensor.nbytes > room:
            shards, room = [*shards, {}], SHARD_BYTES - 20_000
        shards[-1][name] = tensor
        room -= tensor.nbytes
    return shards


def _read(path: Path) -> dict:
    if path.suffix not in (".pt", ".pth"):
        try:
            shards = Shards(path)
        except MissingPart as error:
            do = "Set depth_model to safetensors or to vae-final.pt, or train it: molmoact train depth-vqvae."
            raise MissingPart(f"no weights of the depth VQ-VAE: {error.found}", error.expected, do) from None
        return {name: shards.read(name) for name in shards.shapes}
    loaded = load_tensors(path)
    loaded = loaded.get("weights", loaded) if isinstance(loaded, dict) else {}
    return {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}


def _check(wanted: dict, found: dict, path) -> None:
    """Refuse weights that do not fit strictly, and name the first difference."""
    for name in [*wanted, *found]:
        want, have = (tuple(side[name].shape) if name in side else "nothing" for side in (wanted, found))
        if want != have:
            raise InvalidData(
                f"'{path}' has {have} for '{name}'", f"{want}", "Use weights of the depth VQ-VAE that fit its config."
            )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in found.values()):
        raise InvalidData(f"'{path}' holds NaN or infinity", "finite weights", "Fetch or train the depth VQ-VAE again.")
