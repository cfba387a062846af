"""Guesses get better with experience, follow the motion under way, and never need to be right."""

import numpy as np
import pytest

from molmoact_ros.latency import SectionCost
from molmoact_ros.reasoning.continuation import resumed
from molmoact_ros.reasoning.drafts import Drafts
from molmoact_ros.reasoning.habits import Habits
from molmoact_ros.runtime.decode import Answer

ROWS, DIMS = 8, 4


def answer(values: dict, **costs) -> Answer:
    return Answer(np.array([], int), values, True, costs)


def guessed(drafts: Drafts, names, said: dict) -> list:
    """Return the guesses for slots, each after what was really said before it."""
    found = []
    for i, name in enumerate(names):
        guess = drafts.guess(name, {n: said[n] for n in names[:i]})
        found.append(None if guess is None else guess[0])
    return found


def test_habits_vote_for_what_was_said_most_and_know_how_sure_they_are():
    habits = Habits()
    assert habits.vote([("a",)]) is None
    for value in (7, 7, 7, 9):
        habits.learn([("a",), ("b", value)], value)
    best, chance = habits.vote([("a",), ("never",)])
    assert best == 7 and 0.6 < chance < 0.8
    assert habits.vote([("a",), ("b", 9)])[1] < 1.0


def test_depth_is_the_sensors_at_first_and_the_models_habit_later():
    rng = np.random.default_rng(0)
    seen = {("depth", i): int(c) for i, c in enumerate(rng.integers(0, 128, 100))}
    # a model that says something else than the sensor, always the same way
    said = {name: (code * 7 + 3) % 128 for name, code in seen.items()}
    drafts, names = Drafts(), list(seen)
    drafts.begin(seen, {}, None)
    assert guessed(drafts, names, said) == list(seen.values())
    drafts.learn(answer(said))
    drafts.begin(seen, {}, None)
    assert guessed(drafts, names, said) == list(said.values())


def test_actions_follow_the_motion_and_keep_the_error_of_the_row_before():
    rng = np.random.default_rng(1)
    moved = rng.integers(20, 200, (ROWS, DIMS))
    drafts = Drafts()
    drafts.begin({}, {}, moved)
    said = {("action", r, c): int(moved[r, c]) + 3 for r in range(ROWS) for c in range(DIMS)}
    found = guessed(drafts, list(said), said)
    assert found[:DIMS] == moved[0].tolist() and found[DIMS:] == list(said.values())[DIMS:]


def test_without_anything_known_there_is_no_guess():
    drafts = Drafts()
    drafts.begin({}, {}, None)
    assert all(drafts.guess(name, {}) is None for name in (("depth", 0), ("u", 0), ("action", 0, 0), "opening"))


def test_sections_that_are_often_wrong_are_trusted_less():
    drafts = Drafts()
    drafts.begin({}, {("u", 0): 5}, None)
    before = drafts.guess(("u", 0), {})[1]
    for _ in range(10):
        drafts.learn(answer({}, trace=SectionCost(1.0, 12, 10, 10, 0)))
    assert drafts.guess(("u", 0), {})[1] < before / 2


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_trace_goes_on_from_the_tip(share):
    points = np.array([[0.0, 0], [40, 0], [80, 0], [80, 40], [80, 80]])
    tip = np.array([share * 80, 3.0])
    left = resumed(points, tip)
    np.testing.assert_allclose(left[0], tip)
    np.testing.assert_allclose(left[-1], points[-1])
    assert len(left) == len(points) and np.all(np.diff(left[1:], axis=0).sum(axis=1) > 0)


def test_a_trace_stays_where_the_tip_is_not_known():
    points = np.array([[1.0, 2], [3, 4]])
    np.testing.assert_array_equal(resumed(points, np.array([np.nan, 1.0])), points)
    np.testing.assert_array_equal(resumed(points[:1], np.array([9.0, 9])), points[:1])
