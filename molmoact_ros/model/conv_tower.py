"""The small vision tower: convolutions steered by the instruction, a pointing map, and a few image tokens.

Pointing (a heat map for the named object and one for the gripper) is what makes a small model look at the image:
without that loss it learns to answer from the robot's state alone.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .config import ConvTowerConfig

FOURIER_BANDS = 6


class FilmBlock(nn.Module):
    """Two 3x3 convolutions with a skip; the instruction scales and shifts the channels between them."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(4, channels)
        self.film = nn.Linear(condition, 2 * channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, condition):
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(self.first(x)) * (1 + scale) + shift
        return x + self.second(F.relu(h))


class InstructionReader(nn.Module):
    """Reads the words in their order: what is to be handled and where it goes are said with the same words."""

    def __init__(self, hidden: int):
        super().__init__()
        self.first = nn.Conv1d(hidden, hidden, 5, padding=2)
        self.second = nn.Conv1d(hidden, hidden, 5, padding=2)

    def forward(self, words, known):
        """Return one vector (batch, hidden) of words (batch, w, hidden); known (batch, w): False = padding."""
        weights = known.to(words.dtype)[..., None]
        x = (words * weights).transpose(1, 2)
        x = F.silu(self.first(x)) * weights.transpose(1, 2)
        x = x + F.silu(self.second(x))
        return (x.transpose(1, 2) * weights).sum(1) / weights.sum(1).clamp(min=1)


def soft_argmax(logits):
    """Return the expected position (batch, k, 2) in 0..1 (x right, y down) of (batch, k, h, w) map logits."""
    batch, k, height, width = logits.shape
    weights = logits.flatten(2).softmax(-1).view(batch, k, height, width)
    xs = (torch.arange(width, device=logits.device) + 0.5) / width
    ys = (torch.arange(height, device=logits.device) + 0.5) / height
    return torch.stack([(weights.sum(2) * xs).sum(-1), (weights.sum(3) * ys).sum(-1)], dim=-1)


def fourier(points):
    """Spell (…, 2) coordinates in 0..1 as sines and cosines of doubling frequency: (…, 4 * bands + 2)."""
    bands = 2.0 ** torch.arange(FOURIER_BANDS, device=points.device) * torch.pi
    angles = (points[..., None] * bands).flatten(-2)
    return torch.cat([points, angles.sin(), angles.cos()], dim=-1)


class ConvTower(nn.Module):
    """(batch, 3, h, w) images in -1..1 and an instruction vector -> image tokens and pointing-map logits."""

    def __init__(self, config: ConvTowerConfig, hidden_size: int):
        super().__init__()
        c1, c2, c3, c4 = config.channels
        self.config = config
        self.reader = InstructionReader(hidden_size)
        self.condition = nn.Sequential(nn.Linear(hidden_size, hidden_size), nn.SiLU())
        self.stem = nn.Sequential(
            nn.Conv2d(3, c1, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(c1, c2, 3, stride=2, padding=1), nn.ReLU()
        )
        self.fine = nn.ModuleList(FilmBlock(c2, hidden_size) for _ in range(1))
        self.down = nn.Conv2d(c2, c3, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(FilmBlock(c3, hidden_size) for _ in range(2))
        self.pointing = nn.Conv2d(c2 + c3, config.keypoints, 1)
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(c3, c4, 3, stride=2, padding=1), nn.ReLU())
        self.grid = nn.Linear(c4, hidden_size)
        self.keypoint = nn.Sequential(
            nn.Linear(2 + 4 * FOURIER_BANDS + 2 + c2, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size)
        )

    def forward(self, images, instruction):
        """Return tokens (batch, grid + keypoints, hidden) and map logits (batch, keypoints, h / 4, w / 4)."""
        condition = self.condition(instruction)
        fine = self.stem(images)
        for block in self.fine:
            fine = block(fine, condition)
        coarse = self.down(F.relu(fine))
        for block in self.coarse:
            coarse = block(coarse, condition)
        context = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=False)
        maps = self.pointing(torch.cat([fine, context], dim=1))
        columns, rows = self.config.grid
        grid = F.adaptive_avg_pool2d(self.last(coarse), (rows, columns)).flatten(2).transpose(1, 2)
        return torch.cat([self.grid(grid), self._keypoints(maps, fine)], dim=1), maps

    def _keypoints(self, maps, fine):
        # positions are computed in fp32
        maps = maps.float()
        points = soft_argmax(maps)
        flat = maps.flatten(2)
        sure = (torch.stack([flat.logsumexp(-1), flat.amax(-1)], dim=-1) / 10).to(fine.dtype)
        local = F.grid_sample(fine, (points[:, :, None] * 2 - 1).to(fine.dtype), align_corners=False)[..., 0].transpose(
            1, 2
        )
        return self.keypoint(torch.cat([fourier(points).to(fine.dtype), sure, local], dim=-1))
