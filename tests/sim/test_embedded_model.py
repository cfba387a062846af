"""The shipped model in closed loop, without ROS: it finds and lifts what the sentence names, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.sim

from molmoact_ros.learning.rollout import run_episode  # noqa: E402
from molmoact_ros.perception.raster import resize  # noqa: E402
from molmoact_ros.reasoning.factory import open_reasoner  # noqa: E402
from molmoact_ros.sim.layout import COLOURS, sample_layout  # noqa: E402
from molmoact_ros.sim.world import World  # noqa: E402
from molmoact_ros.types import Plan, Refusal  # noqa: E402

CHECKPOINT = Path(__file__).parents[2] / "models" / "embedded"
SEEDS = range(20_200, 20_206)


@pytest.fixture(scope="module")
def reasoner():
    return open_reasoner(CHECKPOINT, resize)


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.renderer.close()


def test_it_lifts_the_named_cube(reasoner, world):
    episodes = [run_episode(reasoner, world, seed) for seed in SEEDS]
    assert sum(e["lifted"] for e in episodes) >= len(SEEDS) - 1, episodes


def test_the_same_picture_with_another_colour_is_another_plan(reasoner, world):
    layout = sample_layout(SEEDS[0])
    world.reset(layout)
    frame = world.frame()
    for colour, (x, y, _) in layout.cubes.items():
        plan = reasoner.plan(frame, f"grab the {colour} block")
        assert isinstance(plan, Plan)
        lowest = plan.chunk.actions[np.argmin(plan.chunk.actions[:, 2]), :2]
        distances = {c: np.linalg.norm(lowest - xy[:2]) for c, xy in layout.cubes.items()}
        assert min(distances, key=distances.get) == colour, distances


def test_an_object_that_is_not_there_is_refused_by_name(reasoner, world):
    for seed in SEEDS:
        layout = sample_layout(seed)
        world.reset(layout)
        absent = next(c for c in COLOURS if c not in layout.cubes)
        answer = reasoner.plan(world.frame(), f"pick up the {absent} cube")
        assert isinstance(answer, Refusal) and answer.name == "object_not_in_sight"


def test_a_sentence_with_unknown_words_is_refused(reasoner, world):
    world.reset(sample_layout(SEEDS[0]))
    answer = reasoner.plan(world.frame(), "open the drawer")
    assert isinstance(answer, Refusal) and answer.name == "instruction_not_understood"
    assert "drawer" in answer.detail


def test_the_model_says_its_own_depth_tokens(reasoner, world):
    world.reset(sample_layout(SEEDS[0]))
    plan = reasoner.plan(world.frame(), sample_layout(SEEDS[0]).instruction)
    assert plan.depth_tokens.source == "model" and plan.depth_tokens.codes.shape == (10, 10)
    assert len(np.unique(plan.depth_tokens.codes)) > 10
