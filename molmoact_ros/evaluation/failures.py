"""Why an episode failed, in one word, from the simulator's true state."""

from typing import Mapping

CATEGORIES = {
    "refused": "the model gave no plan, or no more",
    "off_table": "the object left the table",
    "wrong_object": "another object was handled",
    "never_reached": "the gripper did not come to the object",
    "not_moved": "the object was reached and stayed where it was",
    "not_grasped": "the object was reached and never lifted",
    "dropped": "the object was lifted and lost",
    "not_released": "the object was carried and not let go in time",
    "misplaced": "the object was moved to the wrong place",
}
# Less than this is the noise of being touched.
_MOVED_M = 0.02
_CARRIED = ("bowl", "stack", "beside")


def category(case: Mapping) -> str:
    """Return the category (a key of CATEGORIES) of a failed case, "" for a success."""
    if case["success"]:
        return ""
    if case.get("plans", 1) == 0 or case["ended"] == "refused" or case.get("gave_up"):
        return "refused"
    if case.get("off_table"):
        return "off_table"
    if case["task"] == "push":
        return _push(case)
    if not case["reached"]:
        return "wrong_object" if case["wrong_object"] else "never_reached"
    if not case["lifted"]:
        return "not_grasped"
    if case["task"] in _CARRIED:
        return "misplaced" if case.get("let_go") else "not_released"
    return "dropped"


def _push(case: Mapping) -> str:
    if case.get("moved_m", 0.0) >= _MOVED_M:
        return "misplaced"
    if case["wrong_object"]:
        return "wrong_object"
    return "not_moved" if case["reached"] else "never_reached"
