"""`molmoact train …`: make data and train the two models that the simulated cell ships with."""

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact train`."""
    kinds = parser.add_subparsers(dest="model", required=True, metavar="MODEL")
    vqvae = kinds.add_parser("depth-vqvae", help="the depth VQ-VAE, on depth images of the simulated cell")
    vqvae.add_argument("--output", default="runs/depth_vqvae", help="folder for the weights")
    vqvae.add_argument("--steps", type=int, default=2600, help="training steps")
    vqvae.add_argument("--seed", type=int, default=0)
    model = kinds.add_parser("embedded", help="the embedded model, on scripted demonstrations")
    model.add_argument("--output", default="runs/embedded", help="folder for the checkpoint")
    model.add_argument("--data", default="runs/demonstrations", help="folder for the demonstrations; kept and resumed")
    model.add_argument("--episodes", type=int, default=1200, help="demonstrations")
    model.add_argument("--snapshots", type=int, default=14000, help="single frames, each of a fresh table")
    model.add_argument("--minutes", type=float, default=60.0, help="training time; the second half with depth tokens")
    model.add_argument("--processes", type=int, default=os.cpu_count(), help="processes that make demonstrations")
    model.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads of the training")
    model.add_argument("--depth-model", default="models/depth_vqvae", help="weights that spell the depth codes")
    model.add_argument("--depth-frames", type=int, default=8000, help="frames that get depth codes")
    model.add_argument("--seed", type=int, default=0)
    probes = kinds.add_parser("probes", help="no training: the frames that the checkpoint gate asks about")
    probes.add_argument("--output", default="runs/probes.npz", help="file for the frames")
    probes.add_argument("--depth-model", default="models/depth_vqvae", help="weights that spell the depth codes")
    probes.add_argument("--seed", type=int, default=30_000, help="layout of the first table")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact train`; returns the exit code."""
    return {"depth-vqvae": _depth_vqvae, "embedded": _embedded, "probes": _probes}[options.model](options)


def _say(line: str) -> None:
    print(line, flush=True)


def _depth_vqvae(options) -> int:
    from .depth_vqvae import Recipe, train

    train(Path(options.output), Recipe(steps=options.steps, seed=options.seed), log=_say)
    return 0


def _embedded(options) -> int:
    """Demonstrations, depth codes, then two stages: answers without depth first, which costs half as much."""
    from .dataset import Dataset, collect

    collect(options.data, options.episodes, options.snapshots, options.processes, say=_say)

    import torch

    from ..perception.raster import resize
    from ..reasoning.exporting import export_graphs
    from .depth_codes import depth_codes, keep_depth_rows
    from .train import TrainingPlan, train

    torch.set_num_threads(options.threads)
    data = Dataset(options.data)
    keep_depth_rows(data, options.depth_frames, options.seed)
    codes = depth_codes(data, options.depth_model, say=_say)
    _say(f"training: {data.summary()}")
    half = options.minutes / 2
    first = TrainingPlan(half, decay=0.05, seed=options.seed)
    train(data, options.output, first, say=_say)
    second = TrainingPlan(half, decay=0.6, depth_share=0.4, seed=options.seed + 1)
    train(data, options.output, second, codes, resume=options.output, say=_say)
    folder, made = export_graphs(options.output, resize)
    _say(f"exported to {folder}: scores within {made.parity['max_logit_error']:.1g} of torch")
    return 0


def _probes(options) -> int:
    from .probes import make_probes

    _say(f"wrote {make_probes(options.output, options.depth_model, options.seed)}")
    return 0
