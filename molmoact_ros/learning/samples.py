"""From stored records to batches: prompt, answer, soft targets, picture noise."""

from dataclasses import dataclass

import numpy as np
import torch

from ..model.config import NetworkConfig
from ..reasoning.action_codec import ActionCodec
from ..reasoning.vocabulary import answer_ids, depth_ids, prompt_ids, prompt_length
from ..sim.layout import COLOURS
from .dataset import Dataset

VERBS = ("pick up", "grab", "lift", "take", "grasp", "lift up")
ARTICLES = ("the", "a")
NOUNS = ("cube", "block", "box")
WORDS = tuple(sorted({w for p in (*VERBS, *ARTICLES, *NOUNS, *COLOURS) for w in p.split()}))
# Dimensions the demonstrations vary: x, y, z, gripper. Rotation is constant and costs no tokens.
ACTION_DIMS = (0, 1, 2, 6)
ACTION_CODEC = ActionCodec([0.25, -0.35, 0.0, 0.0], [0.75, 0.35, 0.5, 1.0])
STATE_CODEC = ActionCodec([0.25, -0.35, 0.0, 0.0], [0.75, 0.35, 0.5, 0.08])
ABSENT_SHARE = 0.08
STATE_NOISE = np.array([0.002, 0.002, 0.002, 0.001])


@dataclass
class Batch:
    """One training batch; `positions` skips the depth section where `with_depth` is false."""

    ids: torch.Tensor
    positions: torch.Tensor
    images: torch.Tensor
    points: torch.Tensor
    absent: torch.Tensor
    prompt_length: int
    with_depth: bool


def sentence(rng, colour: str) -> str:
    """Say "pick up that cube" in one of the ways the model is to understand."""
    return f"{rng.choice(VERBS)} {rng.choice(ARTICLES)} {colour} {rng.choice(NOUNS)}"


def image_tensor(image) -> torch.Tensor:
    """Turn (…, h, w, 3) uint8 into (…, 3, h, w) float in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, -3))).float() / 127.5 - 1


def disturb_pictures(images: torch.Tensor) -> torch.Tensor:
    """Vary brightness, contrast, colour and pixel noise of a batch (b, 3, h, w) in -1..1."""
    batch = len(images)
    gain = 1 + 0.25 * (torch.rand(batch, 1, 1, 1) - 0.5) + 0.10 * (torch.rand(batch, 3, 1, 1) - 0.5)
    offset = 0.2 * (torch.rand(batch, 1, 1, 1) - 0.5)
    return images * gain + offset + 0.02 * torch.randn_like(images)


class Sampler:
    """Draw batches from a Dataset; frames far from the object are drawn more often, for they need the eye."""

    def __init__(self, data: Dataset, config: NetworkConfig, depth_codes=None, seed: int = 0, weights=None):
        self.data, self.config, self.layout = data.arrays, config, config.tokens
        self.depth_codes, self.depth_rows = depth_codes, data.depth_rows
        self.rng = np.random.default_rng(seed)
        weights = np.ones(len(data)) if weights is None else np.asarray(weights, float)
        weights = weights * (1 + 1.5 * self.data["far"].any(1))
        self.shares = weights / weights.sum()
        self.depth_shares = self.shares[self.depth_rows] / self.shares[self.depth_rows].sum()

    def draw(self, size: int, with_depth: bool) -> Batch:
        """Return a batch of `size` samples."""
        if with_depth:
            picks = self.rng.choice(len(self.depth_rows), size, p=self.depth_shares)
            rows, codes = self.depth_rows[picks], self.depth_codes[picks]
        else:
            rows, codes = self.rng.choice(len(self.shares), size, p=self.shares), [None] * size
        samples = [self._one(row, code) for row, code in zip(rows, codes)]
        ids, points, absent = zip(*samples)
        longest = max(map(len, ids))
        padded = np.stack([np.pad(i, (0, longest - len(i))) for i in ids])
        head = prompt_length(self.layout, self.config.conv.tokens)
        positions = np.arange(longest)
        if not with_depth:
            positions[head:] += self.layout.depth_count + 2
        images = disturb_pictures(image_tensor(self.data["image"][rows]))
        return Batch(
            torch.from_numpy(padded), torch.from_numpy(positions)[None].expand(size, -1), images,
            torch.from_numpy(np.stack(points)), torch.from_numpy(np.array(absent)), head, with_depth,
        )  # fmt: skip

    def _one(self, row: int, codes):
        data, rng = self.data, self.rng
        which = int(rng.integers(2))
        absent = rng.random() < ABSENT_SHARE
        colour = data["absent"][row] if absent else data["colours"][row, which]
        state = data["state"][row] + rng.normal(0, 1, 4) * STATE_NOISE
        text = sentence(rng, list(COLOURS)[colour])
        ids = prompt_ids(self.layout, self.config.conv.tokens, text, STATE_CODEC.encode(state))
        trace = np.empty((0, 2)) if absent else data["trace"][row, which]
        answer = answer_ids(self.layout, trace, ACTION_CODEC.encode(data["actions"][row, which]))
        depth = [] if codes is None else depth_ids(self.layout, codes)
        return np.concatenate([ids, depth, answer]).astype(np.int64), data["points"][row, which], absent
