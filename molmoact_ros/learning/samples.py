"""From records to batches: prompt, answer, drawn traces, picture noise. A batch follows from seed and step alone."""

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch

from ..model.config import NetworkConfig
from ..perception import raster
from ..reasoning.vocabulary import answer_ids, depth_ids, prompt_ids, prompt_length
from ..runtime.sight import cut_pictures
from ..types import MAX_TRACE_POINTS, TRACE_RANGE
from .records import Records
from .spelling import STATE_DIMS, Spelling

STATE_NOISE = np.array([0.002, 0.002, 0.002, 0.001])
REASONING, WITH_DEPTH, ANNOTATED = "reasoning", "with_depth", "annotated"
# Where the eye is needed, samples are drawn more often.
_FAR_WEIGHT = 1.0
# The drawing of the published models (spec section 7) is 2 wide at 256 to 378 pixels; this picture is half as large.
TRACE_RGB, TRACE_WIDTH = (0, 255, 255), 1
_TRACE_JITTER = 1.5
# Half of the annotated samples say something else than what is drawn: the drawing counts.
_OTHER_WORDS = 0.5
_TRACE_TOKENS = 2 * MAX_TRACE_POINTS + 2


@dataclass
class Batch:
    """One training batch of one kind; `positions` skip the sections that this kind of answer leaves out.

    images and pooled_index: as in network.Prompt.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    images: torch.Tensor
    points: torch.Tensor
    prompt_length: int
    pooled_index: torch.Tensor | None = None


def image_tensor(image) -> torch.Tensor:
    """Turn (…, h, w, 3) uint8 into (…, 3, h, w) float in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, -3))).float() / 127.5 - 1


def disturb_pictures(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Vary brightness, contrast, colour and pixel noise of a batch (b, 3, h, w) in -1..1."""
    batch = len(images)

    def even(*shape) -> torch.Tensor:
        return torch.rand(batch, *shape, generator=generator) - 0.5

    gain = 1 + 0.25 * even(1, 1, 1) + 0.10 * even(3, 1, 1)
    return images * gain + 0.2 * even(1, 1, 1) + 0.02 * torch.randn(images.shape, generator=generator)


def draw_trace(image: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Return a copy of a picture (h, w, 3) with a trace (n, 2) in 0..255 drawn as the annotated prompt expects it."""
    height, width = image.shape[:2]
    scaled = np.asarray(trace, float) * [width - 1, height - 1] / (TRACE_RANGE - 1)
    drawn = np.array(image)
    raster.polyline(drawn, scaled, TRACE_RGB, width=TRACE_WIDTH)
    return drawn


class Sampler:
    """Draw batches from records; `paraphrase(sentence, rng)` says an instruction in other words."""

    def __init__(
        self, records: Records, config: NetworkConfig, seed: int, weights=None,
        paraphrase: Callable = lambda sentence, rng: sentence, spelling: Spelling = Spelling(),
    ):  # fmt: skip
        self.records, self.config, self.layout, self.seed = records, config, config.tokens, seed
        self._paraphrase, self._spelling = paraphrase, spelling
        weights = np.ones(len(records)) if weights is None else np.asarray(weights, float)
        weights = weights[:, None] * (1 + _FAR_WEIGHT * records.far)
        there = weights * (records.trace_length > 0)
        if "trace" not in spelling.sections:
            # "nothing in sight" is said in the trace
            weights = there
        self._shares = {REASONING: np.cumsum(weights.ravel()), ANNOTATED: np.cumsum(there.ravel())}
        self._shares[WITH_DEPTH] = np.cumsum(weights[records.depth_rows].ravel())

    def draw(self, step: int, size: int, kind: str) -> Batch:
        """Return the batch (size samples of `kind`) of a training step."""
        rng = np.random.default_rng([self.seed, step])
        shares, labels = self._shares[kind], self.records.instruction.shape[1]
        picks = np.searchsorted(shares, rng.random(size) * shares[-1], side="right")
        places, label = picks // labels, picks % labels
        codes = self.records.depth_codes[places] if kind == WITH_DEPTH else [None] * size
        rows = self.records.depth_rows[places] if kind == WITH_DEPTH else places
        ids = [self._ids(rng, row, k, code, kind) for row, k, code in zip(rows, label, codes)]
        longest = max(map(len, ids))
        padded = np.stack([np.pad(i, (0, longest - len(i))) for i in ids])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        images = self.records.image[rows]
        if kind == ANNOTATED:
            images = np.stack([self._annotate(rng, *one) for one in zip(images, rows, label)])
        seen, index = self._looked_at(disturb_pictures(image_tensor(images), generator))
        return Batch(
            torch.from_numpy(padded), torch.from_numpy(self._positions(longest, kind))[None].expand(size, -1),
            seen, torch.from_numpy(self.records.points[rows, label]),
            prompt_length(self.layout, self.config.image_tokens), index,
        )  # fmt: skip

    def _looked_at(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return pictures (b, 3, h, w) as the vision tower takes them; see network.Prompt."""
        vit = self.config.vit
        if vit is None:
            return pictures, None
        patches, index = cut_pictures(vit, pictures.permute(0, 2, 3, 1).numpy())
        crops = torch.from_numpy(np.ascontiguousarray(patches))[:, None]
        return crops, torch.from_numpy(index)[None].expand(len(crops), -1, -1)

    def _positions(self, length: int, kind: str) -> np.ndarray:
        """Number the tokens so that the same section stands at the same positions in every kind."""
        head = prompt_length(self.layout, self.config.image_tokens)
        sections = self._spelling.sections
        skipped = (self.layout.depth_count + 2) * ("depth" in sections and kind != WITH_DEPTH)
        skipped += _TRACE_TOKENS * ("trace" in sections and kind == ANNOTATED)
        positions = np.arange(length)
        positions[head:] += skipped
        return positions

    def _annotate(self, rng, image, row: int, label: int) -> np.ndarray:
        trace = self.records.trace[row, label] + rng.normal(0, _TRACE_JITTER, (MAX_TRACE_POINTS, 2))
        return draw_trace(image, trace)

    def _ids(self, rng, row: int, label: int, codes, kind: str) -> np.ndarray:
        records, layout = self.records, self.layout
        said = label
        if kind == ANNOTATED and rng.random() < _OTHER_WORDS:
            said = int(rng.integers(records.instruction.shape[1]))
        text = self._paraphrase(records.instructions[records.instruction[row, said]], rng)
        state = records.state[row, STATE_DIMS] + rng.normal(0, 1, 4) * STATE_NOISE
        spelled = self._spelling.state.encode(state)
        head = prompt_ids(layout, self.config.image_tokens, text, spelled, kind == ANNOTATED)
        trace = records.trace[row, label, : records.trace_length[row, label]]
        bins = self._spelling.bins(records.chunk[row, label], records.state[row])
        answer = answer_ids(layout, trace, bins)
        if kind == ANNOTATED or "trace" not in self._spelling.sections:
            answer = answer[_TRACE_TOKENS:]
        depth = [] if codes is None else depth_ids(layout, codes)
        return np.concatenate([head, depth, answer]).astype(np.int64)
