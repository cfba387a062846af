"""Train an embedded model: Muon for the decoder's matrices, AdamW for the rest. Resumed it ends as if never stopped."""

import signal
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from tqdm import tqdm

from ..errors import InvalidData, MissingPart
from ..model.config import embedded
from ..model.network import MolmoActNetwork
from ..sim.language import WORDS, paraphrase
from .checkpoint import save
from .objective import loss
from .records import Records
from .samples import ANNOTATED, REASONING, WITH_DEPTH, Batch, Sampler
from .spelling import Spelling
from .start import begin_with
from .training_config import TrainingConfig

STATE = "training_state.pt"


def initialise(network: MolmoActNetwork) -> None:
    """Give tables and heads the small random start that the norms expect."""
    decoder = network.model.transformer
    for table in (decoder.wte.embedding, decoder.wpe):
        torch.nn.init.normal_(table, std=0.1)
    if network.config.vit:
        torch.nn.init.normal_(network.model.vision_backbone.image_vit.positional_embedding, std=0.02)
    for block in decoder.blocks:
        torch.nn.init.zeros_(block.self_attn.attn_out.weight)
        torch.nn.init.zeros_(block.mlp.ff_out.weight)
    torch.nn.init.normal_(network.lm_head.weight, std=0.02)


def optimizers(network: MolmoActNetwork, config: TrainingConfig) -> list:
    """Split the parameters: two-dimensional weights of transformer blocks to Muon, everything else to AdamW."""
    blocks = [network.model.transformer.blocks]
    if network.config.vit:
        blocks.append(network.model.vision_backbone.image_vit.transformer)
    matrices = [p for block in blocks for p in block.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=config.muon_rate, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=config.adam_rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def rate_factor(progress: float, config: TrainingConfig) -> float:
    """Return the learning-rate factor at `progress` 0..1: warm-up, plateau, then a straight line to 2 %."""
    if progress < config.warmup:
        return max(progress / config.warmup, 1e-3)
    return min(1.0, max(0.02, (1 - progress) / max(config.decay, 1e-9)))


def kind_of(step: int, config: TrainingConfig) -> str:
    """Return the kind of samples of a step."""
    draw = np.random.default_rng([config.seed, step, 3]).random()
    if draw < config.annotated_share:
        return ANNOTATED
    late = step >= config.depth_start * config.steps and "depth" in config.sections
    return WITH_DEPTH if late and draw < config.annotated_share + config.depth_share else REASONING


class Training:
    """One run: network, optimisers, step; `folder` holds the state from which it goes on."""

    def __init__(self, folder, config: TrainingConfig, spelling: Spelling = Spelling()):
        self.folder, self.config, self.spelling, self.step = Path(folder), config, spelling, 0
        cuda = config.device == "cuda" or config.device == "auto" and torch.cuda.is_available()
        if config.device == "cuda" and not torch.cuda.is_available():
            raise MissingPart("no GPU that torch can use", "CUDA", "Set device: cpu, or install torch for CUDA.")
        self.device = torch.device("cuda" if cuda else "cpu")
        self.half = config.dtype == "bfloat16" or config.dtype == "auto" and cuda
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        network = MolmoActNetwork(embedded(spelling.words, spelling.image_size, config.tower))
        initialise(network)
        if config.start:
            begin_with(network, config.start)
        layout = torch.channels_last if network.config.conv else torch.preserve_format
        self.network = network.to(self.device, memory_format=layout)
        self.optimisers = optimizers(self.network, config)

    def resume(self) -> None:
        """Go on where the saved state ends. MissingPart without one, InvalidData when it is of another run."""
        path = self.folder / STATE
        if not path.is_file():
            raise MissingPart(f"no '{path}'", "the state of an interrupted training", "Start without --resume.")
        state = torch.load(path, map_location=self.device, weights_only=True)
        changed = {k for k, v in asdict(self.config).items() if state["config"].get(k) != v}
        if changed:
            raise InvalidData(f"another {sorted(changed)} than when it began", "the same run", "Restore the file.")
        self.network.load_state_dict(state["network"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        self.step = state["step"]

    def save(self) -> None:
        """Write the state; interrupted, the old one stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "config": asdict(self.config),
        }
        torch.save(state, self.folder / f"{STATE}.partial")
        (self.folder / f"{STATE}.partial").rename(self.folder / STATE)

    def write(self, checkpoint) -> None:
        """Write the network as a checkpoint; see checkpoint.save."""
        save(self.network, checkpoint, self.spelling, {**asdict(self.config), "step": self.step})

    def one_step(self, batch: Batch) -> dict:
        """Learn from one batch; return the parts of the loss."""
        factor = rate_factor(self.step / self.config.steps, self.config)
        for optimiser, rate in zip(self.optimisers, (self.config.muon_rate, self.config.adam_rate)):
            optimiser.param_groups[0]["lr"] = rate * factor
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            total, parts = loss(self.network, _to(batch, self.device))
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        return parts

    def run(self, records: Records, until: int, watch: Callable[["Training", dict], None], weights=None) -> bool:
        """Train to step `until`; `watch(training, parts)` sees every step. False when it was told to stop before."""
        # only the tabletop's sentences have other words for the same, and only its models know them
        others = {"paraphrase": paraphrase} if self.spelling.words == WORDS else {}
        sampler = Sampler(records, self.network.config, self.config.seed, weights, spelling=self.spelling, **others)
        self.network.train()
        # a model that acts in between is run on one thread
        torch.set_num_threads(self.config.threads)
        with _politely() as told, _reproducibly(self.device):
            while self.step < until and not told:
                batch = sampler.draw(self.step, self.config.batch, kind_of(self.step, self.config))
                watch(self, self.one_step(batch))
                if self.step % self.config.save_every == 0 or told or self.step == until:
                    self.save()
        return not told


def _to(batch: Batch, device) -> Batch:
    moved = {k: v.to(device) for k, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    if batch.pooled_index is None:
        moved["images"] = moved["images"].contiguous(memory_format=torch.channels_last)
    return Batch(**moved, prompt_length=batch.prompt_length)


@contextmanager
def _politely():
    """Note SIGINT and SIGTERM instead of dying in the middle of a step."""
    told = []
    before = {s: signal.signal(s, lambda number, _: told.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reproducibly(device):
    """Let several threads add up in one order; without it the last bits differ from process to process."""
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    # some kernels for GPUs have no such variant
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]


class Log:
    """Say and keep the mean of every part of the loss, now and then."""

    def __init__(self, config: TrainingConfig, say: Callable = print, writer=None):
        self._every, self._say, self._writer = config.log_every, say, writer
        self._batch, self._parts, self._since = config.batch, [], time.monotonic()
        # only for a person who looks on
        self._bar = tqdm(desc="training", total=config.steps, unit="step", disable=None)

    def __call__(self, training: Training, parts: dict) -> None:
        """Take the parts of one step."""
        self._parts.append(parts)
        self._bar.update(training.step - self._bar.n)
        if training.step % self._every:
            return
        rate = len(self._parts) * self._batch / (time.monotonic() - self._since)
        names = sorted({name for part in self._parts for name in part})
        means = {n: float(np.mean([p[n] for p in self._parts if n in p])) for n in names}
        line = " ".join(f"{k} {v:.3f}" for k, v in means.items())
        self._say(f"step {training.step} of {training.config.steps} ({rate:.0f} samples/s): {line}")
        if self._writer is not None:
            for name, value in {**means, "samples_per_s": rate}.items():
                self._writer.add_scalar(f"train/{name}", value, training.step)
        self._parts, self._since = [], time.monotonic()
