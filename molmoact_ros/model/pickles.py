"""Pickles hold programs. A checkpoint may bring some (vae-final.pt); they are opened only as tensors and plain data."""

import torch

from ..errors import InvalidData


def load_tensors(path):
    """Return what a PyTorch file holds without running code from it. InvalidData when it holds code or is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # a damaged pickle may fail in any way: its bytes are the program
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:120]
        raise InvalidData(
            f"'{path}' cannot be read as tensors alone ({type(error).__name__}: {reason})",
            "a PyTorch file without code",
            "Do not open it with anything else; fetch it again from a source that you trust.",
        ) from error
