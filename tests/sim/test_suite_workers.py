"""Episodes of the suite in processes: what the expert does, what is kept of a failure, and what goes wrong there."""

import os
import signal
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from molmoact_ros.errors import MissingPart
from molmoact_ros.evaluation import workers
from molmoact_ros.evaluation.pictures import decode_jpeg
from molmoact_ros.evaluation.workers import Job, run_all, run_one
from molmoact_ros.learning import expert
from molmoact_ros.sim.language import understand
from molmoact_ros.sim.layout import AXES, table_number
from molmoact_ros.sim.world import World
from molmoact_ros.types import ActionChunk, DepthTokens, Plan, Refusal, Trace

pytestmark = pytest.mark.sim


class Expert:
    """Answers as a reasoner does, from the true state; `task` overrides what the sentence asks."""

    def __init__(self, world, task=None):
        self._world, self._task = world, task

    def forget(self):
        pass

    def plan(self, frame, instruction):
        world, layout = self._world, self._world.table.layout
        task = self._task(layout) if self._task else understand(instruction, layout.items)
        tip = frame.robot.T_base_ee[:3, 3]
        scene = expert.scene_of(layout, task, world.objects(), world.yaws(), tip, world.width_m)
        tips, opens = expert.act(scene, expert.HORIZON)
        down = np.tile([np.pi, 0.0, 0.0], (expert.HORIZON, 1))
        chunk = ActionChunk(frame.stamp_ns, expert.DT_S, np.column_stack([tips, down, opens]), "absolute_base")
        trace = Trace(frame.stamp_ns, [[100, 100], [150, 120]], (320, 240), "model")
        tokens = DepthTokens(frame.stamp_ns, np.zeros((10, 10)), 128, "model")
        return Plan(1, instruction, tokens, trace, chunk, {"total": 5.0})


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(autouse=True)
def environment():
    with mock.patch.dict(os.environ):
        yield


@pytest.mark.parametrize("seed, axis", [(20_005 + i, axis) for i, axis in enumerate(AXES)])
def test_the_expert_does_each_task(world, seed, axis):
    number = table_number(seed, axis)
    case = run_one(Job("", pictures=8), Expert(world), world, number)
    assert case["success"] and case["ended"] == "success" and case["category"] == "" and "pictures" not in case
    assert (case["seed"], case["axis"]) == (number, axis) and case["plan_ms"][0] == 5.0 and case["wall_s"] > 0


def test_a_failure_has_a_category_and_as_many_pictures_as_were_asked_for(world):
    def another(layout):
        name = next(item.name for item in layout.items if item.name != layout.task.target)
        return SimpleNamespace(kind="pick", target=name, reference="", side="")

    case = run_one(Job("", pick=True, pictures=8), Expert(world, another), world, 20_000)
    assert case["category"] == "wrong_object" and case["wrong_object"] and not case["success"]
    assert len(case["pictures"]) == 8 and decode_jpeg(case["pictures"][-1]).shape == (180, 240, 3)
    assert "pictures" not in run_one(Job("", pick=True), Expert(world, another), world, 20_000)


def test_a_model_that_refuses_is_named_so(world):
    mute = SimpleNamespace(forget=lambda: None, plan=lambda frame, said: Refusal(frame.stamp_ns, "no", "no", said))
    case = run_one(Job("", pictures=8), mute, world, 20_000)
    assert case["category"] == case["ended"] == "refused" and case["plans"] == 0 and case["pictures"]


def test_an_error_of_a_process_is_the_error_here():
    with pytest.raises(MissingPart, match="no manifest 'nowhere"):
        list(run_all(Job("nowhere"), [20_000, 20_001], "2"))


def _end_oneself(job, number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_ended_does_not_hang_the_run(monkeypatch):
    monkeypatch.setattr(workers, "_run", _end_oneself)
    with pytest.raises(MissingPart, match="ended from outside"):
        list(run_all(Job("nowhere"), [20_000], "1"))
