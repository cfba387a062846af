"""What speed is measured with: a network of any size with random weights, and a loop without any short cut."""

import math

import numpy as np
import torch

from ..errors import MissingPart
from ..model.config import NetworkConfig
from ..model.generate import greedy
from ..model.network import MolmoActNetwork, Prompt
from .contract import Question


@torch.no_grad()
def random_network(
    config: NetworkConfig, dtype: str = "float32", device: str = "cpu", seed: int = 0
) -> MolmoActNetwork:
    """Make a network whose answers depend on what it sees, on `device` in `dtype`. MissingPart without such a device.

    Matrices keep the size of what goes through them, norms are 1, biases 0: no layer drowns the ones before it.
    """
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(getattr(torch, dtype))
        with torch.device(device):
            network = MolmoActNetwork(config)
            noise = torch.Generator(device).manual_seed(seed)
        for name, weight in network.named_parameters():
            _fill(name, weight, noise)
    except (RuntimeError, AssertionError) as error:  # no such device, or no room on it
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        found = f"a network that cannot be made on device '{device}' as {dtype} ({reason})"
        raise MissingPart(found, "a device with room for it", "Choose another device or a smaller shape.") from error
    finally:
        torch.set_default_dtype(before)
    return network.eval().requires_grad_(False)


def _fill(name: str, weight, noise) -> None:
    if weight.ndim < 2:
        weight.fill_(0.0 if name.endswith("bias") else 1.0)
    elif "embedding" in name or "wpe" in name:
        weight.normal_(generator=noise)
    else:
        weight.normal_(std=1 / math.sqrt(math.prod(weight.shape[1:])), generator=noise)


def plain_loop(network: MolmoActNetwork, question: Question, most: int) -> np.ndarray:
    """Answer a question with ids (most,), one after the other: no grammar, no draft, the whole output layer."""
    device = network.lm_head.weight.device
    parts = [torch.from_numpy(part)[None].to(device) for part in (question.ids, question.images, question.pooled_index)]
    return greedy(network, Prompt(*parts), most)[0][0].cpu().numpy()
