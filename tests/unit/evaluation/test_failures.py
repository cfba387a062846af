"""One word for every kind of failure."""

import pytest

from molmoact_ros.evaluation.failures import CATEGORIES, category

FAILED = {
    "success": False, "ended": "timeout", "task": "bowl", "plans": 20, "reached": True, "lifted": True,
    "wrong_object": "", "moved_m": 0.1, "let_go": True, "off_table": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"success": True}, ""),
        ({"ended": "refused"}, "refused"),
        ({"plans": 0}, "refused"),
        ({"ended": "object_not_in_sight: nothing red", "gave_up": True}, "refused"),
        ({"off_table": True}, "off_table"),
        ({"reached": False, "lifted": False}, "never_reached"),
        ({"reached": False, "lifted": False, "wrong_object": "red_can"}, "wrong_object"),
        ({"lifted": False}, "not_grasped"),
        ({"task": "pick"}, "dropped"),
        ({"let_go": False}, "not_released"),
        ({}, "misplaced"),
        ({"task": "push"}, "misplaced"),
        ({"task": "push", "moved_m": 0.0}, "not_moved"),
        ({"task": "push", "moved_m": 0.0, "reached": False}, "never_reached"),
        ({"task": "push", "moved_m": 0.0, "wrong_object": "red_can"}, "wrong_object"),
    ],
)
def test_category(changes, expected):
    found = category({**FAILED, **changes})
    assert found == expected and (not found or found in CATEGORIES)
