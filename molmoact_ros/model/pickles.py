"""Pickles hold programs. A checkpoint may bring some (vae-final.pt); they are opened only as tensors and plain data."""

import pickle

import torch

from ..errors import InvalidData


def load_tensors(path):
    """Return what a PyTorch file holds without running code from it. InvalidData when it holds code or is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError, AttributeError) as error:
        raise InvalidData(
            f"'{path}' cannot be read as tensors alone ({str(error).splitlines()[0][:120]})",
            "a PyTorch file without code",
            "Do not open it with anything else; fetch it again from a source that you trust.",
        ) from error
