"""The scripted expert by geometry alone: from any state the rest of the task, one step at a time."""

import numpy as np
import pytest

from molmoact_ros.learning import expert
from molmoact_ros.sim.layout import PUSH_LINE_M, sample_layout

TABLES = {kind: sample_layout(seed) for seed, kind in enumerate(("pick", "bowl", "push", "stack", "beside"))}
HOME = np.array([0.36, 0.0, 0.34])


def scene(kind, tip=HOME, width=expert.OPEN_WIDTH_M, **moved):
    layout = TABLES[kind]
    objects = {i.name: np.array([i.x, i.y, i.half[2]]) for i in layout.items} | moved
    yaws = {i.name: i.yaw for i in layout.items}
    return expert.scene_of(layout, layout.task, objects, yaws, tip, width)


def end_of(start):
    """Roll out one step after the other, as a cell that re-plans at every step would."""
    for _ in range(80):
        tips, opens = expert.act(start, 1)
        start = expert._after(start, tips[0], bool(opens[0]))
    return start


@pytest.mark.parametrize("kind", TABLES)
def test_the_task_is_done_from_home_and_from_anywhere(kind):
    rng = np.random.default_rng(0)
    assert TABLES[kind].task.kind == kind
    for tip in [HOME, *rng.uniform([0.35, -0.25, 0.1], [0.62, 0.25, 0.35], (12, 3))]:
        begin = scene(kind, tip, rng.choice([0.0, 0.03, 0.08]))
        end = end_of(begin)
        if kind == "pick":
            assert end.held and end.target[2] > 0.2
        elif kind == "push":
            assert end.target[1] * end.side >= PUSH_LINE_M - 0.03
        else:
            assert end.placed and end.tip[2] > end.place[2] + 0.05


def test_steps_are_small_enough_for_the_arm():
    for kind in TABLES:
        tips, _ = expert.act(scene(kind), 60)
        way = np.vstack([HOME, tips])
        assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() <= expert.STEP_M + 1e-9


def test_nothing_is_carried_low_over_the_table():
    start = scene("bowl")
    tips, opens = expert.act(start, 60)
    closed = np.flatnonzero(opens == 0)
    carried = tips[closed[0] :]
    away = np.linalg.norm(carried[:, :2] - start.target[:2], axis=1) > 0.03
    before_release = np.arange(len(carried)) < len(closed)
    # Above the rim of the bowl with what hangs below the tip.
    assert carried[away & before_release, 2].min() > 0.05


def test_an_object_turned_in_the_fingers_is_as_wide_as_it_is():
    item = next(i for layout in TABLES.values() for i in layout.items if i.shape == "cube")
    assert expert.grip_of(item, 0.0) == pytest.approx(2 * item.half[1])
    assert expert.grip_of(item, np.pi / 4) == pytest.approx(2 * item.half[1] * np.sqrt(2))


def test_what_is_held_by_closed_fingers_is_not_grasped_again():
    held = scene("pick", tip=np.array([0.5, 0.1, 0.15]))
    name = TABLES["pick"].task.target
    held = scene("pick", tip=np.array([0.5, 0.1, 0.15]), width=held.grip, **{name: np.array([0.5, 0.1, 0.15])})
    assert held.held and not expert.next_move(held, False).opened
    assert not scene("pick", tip=np.array([0.5, 0.1, 0.15])).held


def test_the_goal_in_the_picture():
    assert expert.goal_of(scene("pick")) is None
    start = scene("push")
    np.testing.assert_allclose(expert.goal_of(start)[1], start.side * PUSH_LINE_M)
    np.testing.assert_allclose(expert.goal_of(scene("bowl"))[:2], TABLES["bowl"].bowl)
