"""A chunk moved on in time goes through the same places at the same moments."""

import numpy as np
import pytest

from molmoact_ros.reasoning.continuation import continued, overdue
from molmoact_ros.types import ActionChunk

DT_S, STEP_NS, ROWS = 0.2, 200_000_000, 8


def chunk(convention: str, seed: int = 0, arms: int = 1) -> ActionChunk:
    rng = np.random.default_rng(seed)
    actions = rng.normal(0, 0.02, (ROWS, 7 * arms))
    actions[:, 6::7] = rng.integers(0, 2, (ROWS, arms))
    if convention == "absolute_base":
        actions[:, :3] = np.cumsum(actions[:, :3], axis=0) + [0.5, 0.0, 0.2]
    names = tuple(f"arm{i}" for i in range(arms))
    return ActionChunk(1_000_000_000, DT_S, actions, convention, names)


@pytest.mark.parametrize("convention", ["absolute_base", "delta_base"])
def test_at_its_own_stamp_it_is_the_chunk(convention):
    one = chunk(convention)
    np.testing.assert_allclose(continued(one, one.stamp_ns), one.actions, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_whole_steps_shift_rows_and_then_stay(steps):
    one = chunk("absolute_base")
    rows = continued(one, one.stamp_ns + steps * STEP_NS)
    np.testing.assert_allclose(rows[: ROWS - steps], one.actions[steps:], atol=1e-12)
    np.testing.assert_allclose(rows[ROWS - steps :, :6], np.tile(one.actions[-1, :6], (steps, 1)))
    two = chunk("delta_base")
    rows = continued(two, two.stamp_ns + steps * STEP_NS)
    np.testing.assert_allclose(rows[: ROWS - steps], two.actions[steps:], atol=1e-12)
    np.testing.assert_allclose(rows[ROWS - steps :, :6], 0.0, atol=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_between_rows_motion_is_straight(share):
    one = chunk("absolute_base")
    rows = continued(one, one.stamp_ns + int((2 + share) * STEP_NS))
    wanted = (1 - share) * one.actions[2, :3] + share * one.actions[3, :3]
    np.testing.assert_allclose(rows[0, :3], wanted, atol=1e-9)
    # a change goes from where the motion is at the new stamp to where it is one step later
    two = chunk("delta_base")
    rows = continued(two, two.stamp_ns + int((2 + share) * STEP_NS))
    np.testing.assert_allclose(rows[0, :6], (1 - share) * two.actions[2, :6] + share * two.actions[3, :6], atol=1e-9)
    np.testing.assert_allclose(rows[:, :6].sum(0), two.actions[2:, :6].sum(0) - share * two.actions[2, :6], atol=1e-9)


def test_two_arms_keep_their_columns():
    one = chunk("delta_base", arms=2)
    np.testing.assert_allclose(continued(one, one.stamp_ns + STEP_NS)[:-1], one.actions[1:], atol=1e-12)


def test_long_after_the_end_and_before_the_start_nothing_breaks():
    for convention in ("absolute_base", "delta_base"):
        one = chunk(convention)
        for stamp_ns in (0, one.stamp_ns + 100 * STEP_NS):
            assert np.isfinite(continued(one, stamp_ns)).all()


@pytest.mark.parametrize("until, count", [(-1, 0), (0, 0), (0.99, 0), (1, 1), (2.5, 2), (100, ROWS - 1)])
def test_rows_that_are_due_by_a_moment(until, count):
    assert overdue(5_000, DT_S, ROWS, 5_000 + int(until * STEP_NS)) == count
