"""The table as data: room for the fingers, tasks that can be done, axes that differ in what they say they do."""

import numpy as np
import pytest

from molmoact_ros.errors import InvalidData
from molmoact_ros.sim.layout import (
    AREA_MAX,
    AREA_MIN,
    AXES,
    BOWL_SEPARATION_M,
    COLOURS,
    MIN_SEPARATION_M,
    SHAPES,
    SLOTS,
    TASKS,
    UNSEEN_SHAPES,
    place_beside,
    room_to_push,
    sample_layout,
    table_number,
)

SEEDS = range(0, 200, 7)


def _tables(axis):
    return [sample_layout(table_number(seed, axis)) for seed in SEEDS]


@pytest.mark.parametrize("axis", AXES)
def test_a_number_is_a_table_with_room_for_the_fingers(axis):
    for layout in _tables(axis):
        assert sample_layout(layout.number) == layout and layout.axis == axis
        assert 3 <= len(layout.items) <= SLOTS and len({i.name for i in layout.items}) == len(layout.items)
        xy = np.array([i.xy for i in layout.items])
        gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2)[np.triu_indices(len(xy), 1)]
        assert gaps.min() >= MIN_SEPARATION_M
        assert np.linalg.norm(xy - layout.bowl, axis=1).min() >= BOWL_SEPARATION_M


def test_the_axes_differ_in_what_their_names_say():
    inside = [np.all((i.xy >= AREA_MIN) & (i.xy <= AREA_MAX)) for t in _tables(AXES[0]) for i in t.items]
    assert all(inside)
    targets = [layout.item(layout.task.target).xy for layout in _tables("spatial")]
    assert not any(np.all((xy >= AREA_MIN) & (xy <= AREA_MAX)) for xy in targets)
    assert all(len(layout.items) == SLOTS for layout in _tables("distractors"))
    assert all(layout.item(layout.task.target).shape in UNSEEN_SHAPES for layout in _tables("unseen_object"))
    assert all(i.shape in SHAPES for axis in AXES[:4] for layout in _tables(axis) for i in layout.items)


def test_every_task_and_colour_is_asked_for_about_as_often():
    layouts = [sample_layout(seed) for seed in range(500)]
    for kind in TASKS:
        assert sum(layout.task.kind == kind for layout in layouts) == 100
    for colour in COLOURS:
        assert 60 < sum(layout.task.target.startswith(colour) for layout in layouts) < 140


def test_a_task_has_room():
    for layout in (sample_layout(seed) for seed in range(300)):
        task = layout.task
        if task.kind == "push":
            assert room_to_push(layout.items, layout.bowl, task.target, task.side)
        if task.kind == "stack":
            assert layout.item(task.reference).shape == "cube" and layout.item(task.target).shape != "ball"
        if task.kind == "beside":
            spot = place_beside(layout.item(task.reference).xy, task.side)
            others = [i.xy for i in layout.items if i.name not in (task.target, task.reference)]
            assert all(np.linalg.norm(xy - spot) > MIN_SEPARATION_M for xy in others)


def test_variants_of_a_seed_are_other_tables():
    assert sample_layout(5) != sample_layout(5, variant=1) != sample_layout(5, variant=2)


def test_numbers_and_axes_that_do_not_exist_are_refused():
    for wrong in (-1, len(AXES) * 10_000_000):
        with pytest.raises(InvalidData, match="table"):
            sample_layout(wrong)
    with pytest.raises(InvalidData, match="axis 'taste'"):
        table_number(3, "taste")
