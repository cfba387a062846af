"""The judge, told by hand what the simulator's true state is: every task, its success and its near misses."""

import numpy as np
import pytest

from molmoact_ros.sim.judge import TaskJudge
from molmoact_ros.sim.layout import SIDES, Task, place_beside, sample_layout

LAYOUT = sample_layout(7)  # yellow ball, blue ball, red cube, purple cube
REST = {i.name: np.array([i.x, i.y, i.half[2]]) for i in LAYOUT.items} | {"bowl": np.array([*LAYOUT.bowl, 0.0])}
HALF = {i.name: i.half for i in LAYOUT.items}
AWAY, OPEN_M = np.array([0.3, 0.0, 0.4]), 0.08
STEP_NS = 50_000_000


def judged(task: Task, samples):
    """Judge (tip, width, objects that differ from the start) samples, each held for a second."""
    judge, stamp_ns = TaskJudge(LAYOUT, task), 0
    judge.update(0, AWAY, OPEN_M, REST)
    for tip, width, moved in samples:
        for _ in range(21):
            stamp_ns += STEP_NS
            judge.update(stamp_ns, tip, width, REST | moved)
    return judge.outcome


def at(name, position):
    return {name: np.asarray(position, float)}


def test_nothing_happens_and_nothing_is_done():
    for task in (Task("pick", "red_cube"), Task("bowl", "red_cube"), Task("push", "red_cube", "", "left")):
        outcome = judged(task, [(AWAY, OPEN_M, {})])
        assert not outcome.success and not outcome.reached and not outcome.lifted and outcome.let_go
        assert np.isnan(outcome.time_to_success_s) and outcome.moved_m == 0.0


@pytest.mark.parametrize("height, offset, success", [(0.10, 0.0, True), (0.06, 0.0, False), (0.10, 0.05, False)])
def test_picked_up_is_high_and_at_the_tip(height, offset, success):
    tip = np.array([0.5, 0.0, height])
    outcome = judged(Task("pick", "red_cube"), [(tip, 0.04, at("red_cube", tip + [0, 0, offset]))])
    assert outcome.success == success


def test_success_has_to_last():
    judge, tip = TaskJudge(LAYOUT, Task("pick", "red_cube")), np.array([0.5, 0.0, 0.2])
    for k in range(9):
        judge.update(k * STEP_NS, tip, 0.04, REST | at("red_cube", tip))
    assert not judge.outcome.success
    judge.update(9 * STEP_NS, AWAY, 0.08, REST)
    judge.update(12 * STEP_NS, tip, 0.04, REST | at("red_cube", tip))
    assert not judge.outcome.success


def test_in_the_bowl_and_let_go():
    inside, task = [*LAYOUT.bowl, 0.025], Task("bowl", "red_cube")
    above = np.array(inside) + [0, 0, 0.02]
    assert not judged(task, [(above, 0.04, at("red_cube", inside))]).let_go
    assert not judged(task, [(above, 0.04, at("red_cube", inside))]).success
    assert judged(task, [(AWAY, OPEN_M, at("red_cube", inside))]).success
    assert not judged(task, [(AWAY, OPEN_M, at("red_cube", np.add(inside, [0.06, 0, 0])))]).success


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("along, aside, success", [(0.08, 0.0, True), (0.05, 0.0, False), (0.08, 0.06, False)])
def test_pushed_far_enough_and_straight(side, along, aside, success):
    to = REST["red_cube"] + [aside, SIDES[side] * along, 0]
    assert judged(Task("push", "red_cube", "", side), [(AWAY, 0.0, at("red_cube", to))]).success == success
    other = "left" if side == "right" else "right"
    assert not judged(Task("push", "red_cube", "", other), [(AWAY, 0.0, at("red_cube", to))]).success


@pytest.mark.parametrize("gap, success", [((0, 0, 0), True), ((0.03, 0, 0), False), ((0, 0, 0.02), False)])
def test_stacked_is_on_top_and_let_go(gap, success):
    height = HALF["red_cube"][2] + HALF["purple_cube"][2]
    to = REST["purple_cube"] + [0, 0, height] + np.array(gap)
    task = Task("stack", "red_cube", "purple_cube")
    assert judged(task, [(AWAY, OPEN_M, at("red_cube", to))]).success == success
    assert not judged(task, [(to, 0.04, at("red_cube", to))]).success


def test_beside_is_on_the_named_side_on_the_table():
    task = Task("beside", "blue_ball", "red_cube", "left")
    spot = np.array([*place_beside(REST["red_cube"][:2], "left"), HALF["blue_ball"][2]])
    assert judged(task, [(AWAY, OPEN_M, at("blue_ball", spot))]).success
    wrong = np.array([*place_beside(REST["red_cube"][:2], "right"), HALF["blue_ball"][2]])
    assert not judged(task, [(AWAY, OPEN_M, at("blue_ball", wrong))]).success
    assert not judged(task, [(AWAY, OPEN_M, at("blue_ball", spot + [0, 0, 0.05]))]).success


def test_a_wrong_object_and_one_that_is_lost_are_noted():
    tip = REST["purple_cube"] + [0.03, 0, 0.1]
    outcome = judged(Task("pick", "red_cube"), [(tip, 0.04, at("purple_cube", tip))])
    assert outcome.wrong_object == "purple_cube" and not outcome.success
    assert judged(Task("pick", "red_cube"), [(AWAY, OPEN_M, at("red_cube", [0.5, 0.0, -0.5]))]).off_table
