"""What a training run is, as data: model, data, length, rates, what is watched. Read from config/training/NAME.yaml."""

from dataclasses import dataclass
from pathlib import Path

from ..config import option, read_options
from ..errors import MissingPart
from ..places import data_root
from ..reasoning.action_frame import FRAMES
from ..runtime.grammar import SECTIONS

PRESETS = "config/training"


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; the same file gives the same weights on the same machine."""

    name: str = option("tabletop", "what the run is called")
    dataset: str = option("", "LeRobot dataset to learn from (docs/dataset.md); empty: the simulated tabletop")
    start: str = option("", "embedded model to begin with; empty: from nothing")
    action_frame: str = option("absolute_base", "what rows are measured from (tabletop)", choices=FRAMES)
    sections: tuple[str, ...] = option(SECTIONS, "what an answer has; fewer only to compare (tabletop)")
    tower: str = option(
        "conv", "vision: the convolutional tower, or a small ViT of the published kind", choices=("conv", "vit")
    )
    seed: int = option(0, "of weights and batches", low=0, high=2**31 - 1)
    episodes: int = option(700, "scripted episodes", low=0, high=100_000)
    snapshots: int = option(45_000, "single frames, each of a fresh table", low=0, high=1_000_000)
    seeds: int = option(18_000, "tables are those of the seeds below", low=1, high=18_000)
    steps: int = option(12_500, "optimiser steps", low=1, high=10_000_000)
    batch: int = option(32, "samples per step", low=1, high=4096)
    muon_rate: float = option(0.02, "peak rate of the decoder's matrices (Muon)", low=0.0, high=1.0)
    adam_rate: float = option(2e-3, "peak rate of everything else (AdamW)", low=0.0, high=1.0)
    warmup: float = option(0.005, "share of the steps in which the rates rise", low=0.0, high=0.5)
    decay: float = option(0.5, "share of the steps, the last ones, in which the rates fall to 2 %", low=0.0, high=1.0)
    depth_start: float = option(0.45, "share of the steps without depth tokens, which cost twice", low=0.0, high=1.0)
    depth_share: float = option(0.35, "share of the later steps with depth tokens", low=0.0, high=1.0)
    annotated_share: float = option(0.12, "share of the steps that follow a drawn trace", low=0.0, high=0.9)
    rounds_at: tuple[float, ...] = option(
        (0.6, 0.8),
        "shares of the steps at which the model acts and the expert labels what it visits",
        low=0.0,
        high=1.0,
    )
    visits: int = option(200, "episodes of each such round", low=0, high=100_000)
    visit_weight: float = option(
        4.0, "how much more often than others frames from such rounds are drawn", low=0.0, high=100.0
    )
    threads: int = option(2, "CPU threads", low=1, high=256)
    device: str = option("auto", "auto: a GPU if there is one", choices=("auto", "cpu", "cuda"))
    dtype: str = option(
        "auto", "of the arithmetic; auto: bfloat16 on a GPU, float32 on a CPU", choices=("auto", "float32", "bfloat16")
    )
    log_every: int = option(100, "steps between lines of the log", low=1, high=100_000)
    save_every: int = option(500, "steps between saved states", low=1, high=100_000)
    evaluate_every: int = option(
        4000, "steps between closed-loop evaluations; 0: only at the end", low=0, high=10_000_000
    )
    evaluate_episodes: int = option(20, "episodes of each, on tables kept for choosing", low=0, high=1000)


def load_training_config(name_or_file: str, **changes) -> TrainingConfig:
    """Read a preset by name or a YAML file; `changes` that are not None count more. MissingPart or ConfigError."""
    path = Path(name_or_file)
    if path.suffix != ".yaml":
        path = data_root() / PRESETS / f"{name_or_file}.yaml"
        if not path.is_file():
            known = sorted(p.stem for p in (data_root() / PRESETS).glob("*.yaml"))
            raise MissingPart(f"no training '{name_or_file}'", f"a file or one of {known}", "Name another.")
    return read_options(path, TrainingConfig, {k: v for k, v in changes.items() if v is not None})
