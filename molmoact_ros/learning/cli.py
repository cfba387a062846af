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
    recipe = model.add_mutually_exclusive_group()
    recipe.add_argument("--preset", default="tabletop", help="a recipe by name: config/training/NAME.yaml")
    recipe.add_argument("--config", metavar="FILE", help="a recipe of your own")
    model.add_argument(
        "--output", default="runs/embedded", help="folder for the checkpoint; OUTPUT.run holds the state"
    )
    model.add_argument("--data", help="folder for the demonstrations, kept and resumed; default: OUTPUT.data")
    model.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    model.add_argument("--processes", type=int, default=os.cpu_count(), help="processes that make demonstrations")
    model.add_argument("--threads", type=int, help="CPU threads of the training, instead of the recipe's")
    model.add_argument("--steps", type=int, help="optimiser steps, instead of the recipe's")
    model.add_argument("--seed", type=int, help="seed, instead of the recipe's")
    probes = kinds.add_parser("probes", help="no training: the frames that the checkpoint gate asks about")
    probes.add_argument("--output", default="runs/probes.npz", help="file for the frames")
    probes.add_argument("--depth-model", default="models/depth_vqvae", help="weights that spell the depth codes")
    probes.add_argument("--seed", type=int, default=19_900, help="layout of the first table")


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
    from .training_config import load_training_config

    changes = {"threads": options.threads, "steps": options.steps, "seed": options.seed}
    config = load_training_config(options.config or options.preset, **changes)

    from .pipeline import Pipeline

    data = options.data or f"{options.output}.data"
    return 0 if Pipeline(options.output, data, config, options.processes, _say).run(options.resume) else 130


def _probes(options) -> int:
    from .probes import make_probes

    _say(f"wrote {make_probes(options.output, options.depth_model, options.seed)}")
    return 0
