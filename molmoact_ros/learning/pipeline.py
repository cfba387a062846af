"""From nothing to a chosen checkpoint: demonstrations, training, rounds in which the model acts, choice by success."""

import json
import shutil
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Callable

import numpy as np

from ..errors import ConfigError, InvalidData
from ..perception.raster import resize
from ..reasoning.exporting import export_graphs
from ..reasoning.manifest import SUFFIX, manifest_path
from .dataset import collect, load_records, visit
from .lerobot.reader import described, read_dataset
from .records import Records
from .selection import choose_by
from .spelling import Spelling, spelling_of, tabletop
from .train import STATE, Log, Training
from .training_config import TrainingConfig

RUN_SUFFIX = ".run"
_CHOICES = "choices.json"


class Pipeline:
    """One training run. `output`: folder of the chosen checkpoint; beside it, `output`.run has state, log, choices."""

    def __init__(
        self, output, data, config: TrainingConfig, processes: int, say: Callable = print, quiet: bool = False
    ):
        self.output, self.data, self.config = Path(output), Path(data), config
        self.processes, self.say, self.quiet = processes, say, quiet
        self.run_folder = self.output.with_name(self.output.name + RUN_SUFFIX)
        self.last = self.run_folder / "last"

    def run(self, resume: bool = False) -> bool:
        """Train to the end; False when it was interrupted, in which case `resume` goes on. Errors of its parts."""
        if not resume and self.run_folder.exists():
            shutil.rmtree(self.run_folder)
        training = Training(self.run_folder, self.config, self._source())
        if resume and self.begun:
            training.resume()
        log = Log(self.config, self.say, self._writer())
        for stop in self.stops():
            if training.step > stop or stop in [choice["step"] for choice in self._choices()]:
                continue
            records, weights = self._records(training.step)
            self.say(f"training from step {training.step} to {stop}: {len(records)} pictures")
            if not training.run(records, stop, log, weights):
                self.say(f"interrupted at step {training.step}; go on with --resume")
                return False
            self._choose(training, records)
        self.say(f"chosen: {self.output}, as of step {self._best()['step']}")
        return True

    @property
    def begun(self) -> bool:
        """Whether there is a state to go on from."""
        return (self.run_folder / STATE).is_file()

    def _source(self) -> Spelling:
        """Make or read the data; return how they are to be spelled."""
        config = self.config
        if not config.dataset:
            collect(self.data, config.episodes, config.snapshots, self.processes, config.seeds, self.quiet)
            return tabletop(config.action_frame, config.sections)
        if config.rounds_at or config.evaluate_episodes:
            found = "rounds or evaluations in a simulator that does not know the task of a dataset"
            raise ConfigError(found, "rounds_at: [] and evaluate_episodes: 0", "Set both beside 'dataset'.")
        return spelling_of(self._dataset, *described(config.dataset))

    @cached_property
    def _dataset(self) -> Records:
        records = read_dataset(self.config.dataset)
        if not len(records.depth_rows):
            do = "Name the column of depth pictures in the mapping and convert it anew."
            raise InvalidData(f"no depth tokens in '{self.config.dataset}'", "some: the answer begins with them", do)
        return records

    def stops(self) -> list[int]:
        """Return the steps at which training stops to look: rounds, evaluations, the end."""
        steps, every = self.config.steps, self.config.evaluate_every
        looks = range(every, steps, every) if every else ()
        return sorted({*self._rounds(), *looks, steps})

    def _rounds(self) -> list[int]:
        return [round(share * self.config.steps) for share in self.config.rounds_at]

    def _records(self, step: int):
        """Return the records that training from `step` on uses, and how often each is drawn; visits as they are due."""
        if self.config.dataset:
            return self._dataset, None
        due = sum(step >= at for at in self._rounds())
        for one in range(due):
            first, count = one * self.config.visits, self.config.visits
            if one == due - 1:
                self.say(f"the model acts in {count} episodes, the expert labels what it visits")
            visit(
                self.data, self.run_folder / f"round{one}", first, count, self.processes, self.config.seeds, self.quiet
            )
        records, visited = load_records(self.data, visits=due * self.config.visits)
        return records, np.where(visited, self.config.visit_weight, 1.0)

    def _choose(self, training: Training, records) -> None:
        """Export what there is now, let it act, keep it if it is the best so far."""
        step, rounds = training.step, self._rounds()
        training.write(self.last)
        # Exporting and acting change threads and kernels of a process: training must not depend on when it last looked.
        with get_context("spawn").Pool(1) as pool:
            pool.apply(_export, (str(self.last),))
        if step in rounds:
            _copy(self.last, self.run_folder / f"round{rounds.index(step)}")
        found = {"success_rate": 0.0}
        if self.config.evaluate_episodes:
            found = choose_by(self.last, records, self.config.evaluate_episodes, self.processes)
        self.say(f"step {step}: " + " ".join(f"{k} {v:.3f}" for k, v in found.items()))
        best = self._best()
        # Of two that are equally good the later one has seen more.
        if best is None or found["success_rate"] >= best["success_rate"]:
            _copy(self.last, self.output)
        choices = [*self._choices(), {"step": step, **found}]
        (self.run_folder / _CHOICES).write_text(json.dumps(choices, indent=1) + "\n")

    def _choices(self) -> list[dict]:
        path = self.run_folder / _CHOICES
        return json.loads(path.read_text()) if path.is_file() else []

    def _best(self) -> dict | None:
        return max(self._choices(), key=lambda c: (c["success_rate"], c["step"]), default=None)

    def _writer(self):
        """Return a TensorBoard writer where the package is installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(self.run_folder / "tensorboard")


def _export(folder: str) -> None:
    export_graphs(folder, resize)


def _copy(checkpoint: Path, target: Path) -> None:
    """Copy a checkpoint's folder and manifest."""
    shutil.copytree(checkpoint, target, dirs_exist_ok=True)
    shutil.copyfile(manifest_path(checkpoint), target.with_name(target.name + SUFFIX))
