"""A camera that repeats one picture."""

import numpy as np

from molmoact_ros.perception.frozen_view import FrozenView

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
MOVED = PICTURE.copy()
MOVED[5, 5, 1] ^= 1


def test_the_same_picture_is_a_fault_only_when_the_arm_moves():
    view = FrozenView(0.02)
    tips = [np.array([0.4, 0.0, z]) for z in (0.30, 0.30, 0.315, 0.33, 0.5)]
    assert [view.stuck(PICTURE.copy(), tip) for tip in tips] == [False, False, False, True, True]
    assert not view.stuck(MOVED, tips[-1]) and not view.stuck(MOVED, tips[-1])


def test_where_the_arm_is_not_known_a_repeated_picture_is_not_used():
    view = FrozenView(0.02)
    assert not view.stuck(PICTURE, np.zeros(3)) and view.stuck(PICTURE, np.full(3, np.nan))
