"""`molmoact ablation`: the same training with parts left out or exchanged, and what each model then does."""

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from ..errors import ConfigError
from ..learning.training_config import TrainingConfig, load_training_config
from ..reasoning.action_frame import CHUNK_RELATIVE, DELTA
from ..sim.layout import FIRST_TEST_SEED
from .kept import Kept
from .report import suite_summary, write_report

WHOLE = "whole"
# What each variant changes in the recipe.
VARIANTS = {
    WHOLE: {},
    "no_depth": {"sections": ("trace", "action")},
    "no_trace": {"sections": ("depth", "action")},
    "action_alone": {"sections": ("action",)},
    "vit": {"tower": "vit"},
    "delta": {"action_frame": DELTA},
    "chunk_relative": {"action_frame": CHUNK_RELATIVE},
}
REPORT, TABLE = "ablation.json", "ablation.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact ablation`."""
    recipe = parser.add_mutually_exclusive_group()
    recipe.add_argument("--preset", default="ablation", help="the recipe of all: config/training/NAME.yaml")
    recipe.add_argument("--config", metavar="FILE", help="a recipe of your own")
    parser.add_argument("--output", default="runs/ablation", help="folder for models, report and table; resumed")
    parser.add_argument("--data", help="folder for the demonstrations that all learn from; default: OUTPUT/data")
    parser.add_argument("--only", help=f"some of {', '.join(VARIANTS)}, separated by commas")
    parser.add_argument("--steps", type=int, help="optimiser steps of each, instead of the recipe's")
    parser.add_argument("--episodes", type=int, default=100, help="evaluation tables, the same for all")
    parser.add_argument("--seed", type=int, default=FIRST_TEST_SEED, help="of the first evaluation table")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes that act and demonstrate")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact ablation`; what was done before in the same folder with the same recipe is kept."""
    names = options.only.split(",") if options.only else list(VARIANTS)
    if set(names) - set(VARIANTS):
        raise ConfigError(f"--only {options.only}", f"some of {', '.join(VARIANTS)}", "Correct the names.")
    recipe = load_training_config(options.config or options.preset, steps=options.steps)
    if recipe.rounds_at or recipe.start:
        found = "a recipe with rounds, whose visits would be shared, or with a start that only some variants fit"
        raise ConfigError(found, "rounds_at: [] and start: ''", "Correct the recipe.")
    output = Path(options.output)
    results = {}
    for name in names:
        config = replace(recipe, name=f"{recipe.name}_{name}", **VARIANTS[name])
        if not _train(output, name, config, options):
            return 130
        results[name] = _evaluate(output, name, config, options)
        print(f"{name}: {results[name]['success_rate']:.0%} of {options.episodes}", flush=True)
    lines = table({name: result["cases"] for name, result in results.items()})
    (output / TABLE).write_text("\n".join(lines) + "\n")
    summary = {f"{k}_{name}": r[k] for name, r in results.items() for k in ("success_rate", "ci95_low", "ci95_high")}
    cases = [{"variant": name, **case} for name, result in results.items() for case in result["cases"]]
    write_report(output / REPORT, {"steps": recipe.steps, "samples": recipe.steps * recipe.batch, **summary}, cases)
    print("\n".join(lines))
    return 0


def _train(output: Path, name: str, config: TrainingConfig, options) -> bool:
    """Train one variant, or go on with it; False when interrupted."""
    from ..learning.pipeline import Pipeline

    data = options.data or output / "data"
    pipeline = Pipeline(output / name, data, config, options.processes, lambda line: print(line, flush=True))
    return pipeline.run(resume=pipeline.begun)


def _evaluate(output: Path, name: str, config: TrainingConfig, options) -> dict:
    """Let one variant act on the evaluation tables; return its summary and `cases`."""
    from .workers import Job, run_all

    report = output / f"{name}.json"
    settings = json.loads(json.dumps({**asdict(config), "seed": options.seed, "episodes": options.episodes}))
    if report.is_file():
        done = json.loads(report.read_text())
        if done["summary"]["settings"] == settings:
            return {**done["summary"], "cases": done["cases"]}
    kept = Kept(report, settings)
    numbers = range(options.seed + len(kept.cases), options.seed + options.episodes)
    for case in run_all(Job(str(output / name)), list(numbers), str(options.processes)) if numbers else ():
        kept.add({k: v for k, v in case.items() if k != "pictures"})
    summary = suite_summary(kept.cases)
    write_report(report, {**summary, "settings": settings}, kept.cases)
    kept.drop()
    return {**summary, "cases": kept.cases}


def table(cases: dict[str, list[dict]]) -> list[str]:
    """Return a Markdown table: success of each variant with 95 % interval, per task, and case by case against `whole`.

    Won and lost: cases that only the variant, or only the whole model, did. With as many of both they are alike.
    """
    tasks = sorted({case["task"] for group in cases.values() for case in group})
    head = ["variant", "success", "95 % interval", *tasks, "won / lost against whole", "plan p50 [ms]"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    whole = {c["seed"]: bool(c["success"]) for c in cases.get(WHOLE, ())}
    for name, group in cases.items():
        summary = suite_summary(group)
        interval = f"{summary['ci95_low']:.0%}-{summary['ci95_high']:.0%}"
        rates = [f"{summary[f'success_rate_{t}']:.0%}" if f"success_rate_{t}" in summary else "" for t in tasks]
        pairs = [(bool(c["success"]), whole[c["seed"]]) for c in group if c["seed"] in whole]
        won, lost = (sum(pair == one for pair in pairs) for one in ((True, False), (False, True)))
        against = "" if name == WHOLE or not pairs else f"{won} / {lost}"
        row = [name, f"{summary['success_rate']:.0%}", interval, *rates, against, f"{summary['plan_ms_p50']:.0f}"]
        lines.append(f"| {' | '.join(row)} |")
    return lines
