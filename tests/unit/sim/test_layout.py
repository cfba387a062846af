"""The table as data."""

import numpy as np
import pytest

from molmoact_ros.sim.layout import AREA_MAX, AREA_MIN, COLOURS, CUBES_ON_TABLE, MIN_SEPARATION_M, sample_layout


@pytest.mark.parametrize("seed", range(0, 200, 7))
def test_a_seed_is_a_table_with_room_for_the_fingers(seed):
    layout = sample_layout(seed)
    assert sample_layout(seed) == layout
    assert len(layout.cubes) == CUBES_ON_TABLE >= 3 and layout.target in layout.cubes
    xy = np.array([cube[:2] for cube in layout.cubes.values()])
    assert np.all(xy >= AREA_MIN) and np.all(xy <= AREA_MAX)
    gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2)[np.triu_indices(CUBES_ON_TABLE, 1)]
    assert gaps.min() >= MIN_SEPARATION_M


def test_every_colour_is_asked_for_about_as_often():
    targets = [sample_layout(seed).target for seed in range(400)]
    for colour in COLOURS:
        assert 60 < targets.count(colour) < 140


def test_the_instruction_names_the_target():
    layout = sample_layout(3)
    assert layout.instruction == f"pick up the {layout.target} cube"
