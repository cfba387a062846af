"""Run the depth VQ-VAE on torch: for weights without exported graphs, as the published vae-final.pt."""

import numpy as np
import torch

from ..model.depth_vqvae_store import load_depth_vqvae


class TorchDepthCoder:
    """Turn depth pictures into codes and back with the network itself. MolmoActError when the weights do not fit."""

    def __init__(self, path, threads: int = 1):
        torch.set_num_threads(threads)
        self._network = load_depth_vqvae(path)
        self.codebook_size = self._network.config.codebook_size
        self.image_size = self._network.config.image_size

    def encode(self, image) -> np.ndarray:
        """Tokenise a picture (320, 320) in 0..1 to codes (10, 10) int64."""
        return self._network.encode(torch.from_numpy(np.asarray(image, np.float32))[None, None])[0].numpy()

    def decode(self, codes) -> np.ndarray:
        """Reconstruct the picture (320, 320) float32 of codes (10, 10); values are near 0..1 but not clipped."""
        return self._network.decode(torch.tensor(codes, dtype=torch.int64)[None])[0, 0].numpy()
