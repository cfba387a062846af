"""The VQ-VAE that turns a depth image into 10 x 10 codes of a 128-entry book and back.

Layers, sizes and parameter names are those of the published checkpoint (allenai/MolmoAct, scripts/vqvae.py;
specification section 4.1), so that its weights load strictly.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class DepthVqvaeConfig:
    """Sizes of the network; the defaults are the published ones. stride = 2 ** len(widths)."""

    image_size: int = 320
    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    residual_blocks: int = 2
    codebook_size: int = 128
    codebook_dim: int = 512
    ema_decay: float = 0.99
    ema_epsilon: float = 1e-5
    commitment: float = 0.25

    @property
    def grid_size(self) -> int:
        """Codes along one side of the image."""
        return self.image_size // 2 ** len(self.widths)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a 1x1, added to their input; no activation after the sum."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


def build_encoder(config: DepthVqvaeConfig) -> nn.Sequential:
    """Stack the encoder: (B, 1, S, S) -> (B, codebook_dim, S / 32, S / 32)."""
    layers, width = [], 1
    for wider in config.widths:
        layers += [nn.Conv2d(width, wider, 4, stride=2, padding=1), nn.ReLU()]
        width = wider
    layers += [ResidualBlock(width) for _ in range(config.residual_blocks)]
    return nn.Sequential(*layers, nn.Conv2d(width, config.codebook_dim, 1))


def build_decoder(config: DepthVqvaeConfig) -> nn.Sequential:
    """Stack the decoder: (B, codebook_dim, S / 32, S / 32) -> (B, 1, S, S)."""
    width = config.widths[-1]
    layers = [nn.Conv2d(config.codebook_dim, width, 1), nn.ReLU()]
    layers += [ResidualBlock(width) for _ in range(config.residual_blocks)]
    for narrower in config.widths[::-1]:
        layers += [nn.ConvTranspose2d(width, narrower, 4, stride=2, padding=1), nn.ReLU()]
        width = narrower
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 1))


class EmaQuantizer(nn.Module):
    """Nearest-neighbour code book that follows its inputs by exponential moving averages (van den Oord 2017, A.1)."""

    def __init__(self, config: DepthVqvaeConfig):
        super().__init__()
        size, dim = config.codebook_size, config.codebook_dim
        self.decay, self.epsilon = config.ema_decay, config.ema_epsilon
        self.register_buffer("_embedding", torch.randn(size, dim))
        self.register_buffer("_ema_cluster_size", torch.zeros(size))
        self.register_buffer("_ema_w", torch.randn(size, dim))

    def nearest(self, z: Tensor) -> Tensor:
        """Index the closest entry by squared distance: (N, dim) -> (N,)."""
        book = self._embedding
        # |z|^2 is the same for every entry, so it does not change which one is closest.
        return torch.argmin(book.square().sum(1) - 2 * z @ book.t(), dim=1)

    def codes(self, z: Tensor) -> Tensor:
        """Quantise a map (B, dim, h, w) to indices (B, h, w), row-major."""
        batch, dim, height, width = z.shape
        return self.nearest(z.permute(0, 2, 3, 1).reshape(-1, dim)).view(batch, height, width)

    def lookup(self, codes: Tensor) -> Tensor:
        """Return the entries of indices (B, h, w) as a map (B, dim, h, w)."""
        return self._embedding[codes].permute(0, 3, 1, 2).contiguous()

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor) -> None:
        """Move the entries towards the inputs (N, dim) that chose them (N,)."""
        chosen = F.one_hot(codes, len(self._embedding)).to(z.dtype)
        self._ema_cluster_size.lerp_(chosen.sum(0), 1 - self.decay)
        total = self._ema_cluster_size.sum()
        # Laplace smoothing keeps entries that nobody chose finite.
        self._ema_cluster_size.add_(self.epsilon).mul_(total / (total + len(chosen[0]) * self.epsilon))
        self._ema_w.lerp_(chosen.t() @ z, 1 - self.decay)
        self._embedding.copy_(self._ema_w / self._ema_cluster_size[:, None])


class DepthVqvae(nn.Module):
    """Depth image in 0..1 (near = bright) <-> grid of codes."""

    def __init__(self, config: DepthVqvaeConfig = DepthVqvaeConfig()):
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config)
        self.decoder = build_decoder(config)
        self._vq_vae = EmaQuantizer(config)

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """Tokenise images (B, 1, 320, 320) in 0..1 to codes (B, 10, 10), int64."""
        return self._vq_vae.codes(self.encoder(images))

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Reconstruct images (B, 1, 320, 320) from codes (B, 10, 10); values are near 0..1 but not clipped."""
        return self.decoder(self._vq_vae.lookup(codes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstruction, loss and codes; in training mode the code book moves too.

        loss = MSE(reconstruction) + commitment * MSE(z, entry); gradients pass the quantiser straight through.
        The quantiser stays in float32 under autocast: its moving averages would drown in bfloat16.
        """
        z = self.encoder(images).float()
        with torch.autocast(z.device.type, enabled=False):
            codes = self._vq_vae.codes(z)
            entries = self._vq_vae.lookup(codes)
            if self.training:
                self._vq_vae.update(z.detach().permute(0, 2, 3, 1).flatten(0, 2), codes.flatten())
        reconstruction = self.decoder(z + (entries - z).detach()).float()
        loss = F.mse_loss(reconstruction, images) + self.config.commitment * F.mse_loss(z, entries)
        return reconstruction, loss, codes
