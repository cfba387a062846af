"""The judge of a pick, fed with hand-made motions."""

import numpy as np
import pytest

from molmoact_ros.evaluation.judge import PickJudge, named_object

TABLE = {"red_cube": np.array([0.5, 0.0, 0.02]), "blue_cube": np.array([0.5, 0.15, 0.02])}


def _feed(judge, tips, objects, start_s=10.0, step_s=0.02):
    for k, (tip, centres) in enumerate(zip(tips, objects)):
        judge.update(int((start_s + k * step_s) * 1e9), np.array(tip), centres)
    return judge.outcome


def _held_at(z: float, samples: int, name: str = "red_cube", offset=(0, 0, 0.005)):
    centres = {**TABLE, name: np.array([0.5, 0.0, z])}
    return [centres[name] + offset] * samples, [centres] * samples


def _from_rest(tips, objects):
    return [[0.4, 0.0, 0.4], *tips], [TABLE, *objects]


def test_lift_counts_after_half_a_second():
    assert not _feed(PickJudge("red_cube"), *_from_rest(*_held_at(0.08, 20))).lifted
    outcome = _feed(PickJudge("red_cube"), *_from_rest(*_held_at(0.08, 40)))
    assert outcome.lifted and outcome.reached and not outcome.wrong_object
    assert outcome.time_to_lift_s == pytest.approx(0.52, abs=0.011)


def test_lift_needs_height():
    outcome = _feed(PickJudge("red_cube"), *_from_rest(*_held_at(0.065, 100)))
    assert outcome.reached and not outcome.lifted


def test_a_flying_object_is_not_lifted():
    outcome = _feed(PickJudge("red_cube"), *_from_rest(*_held_at(0.2, 100, offset=(0, 0, 0.05))))
    assert not outcome.lifted and not outcome.reached


def test_a_dropped_object_starts_the_clock_anew():
    high, low = _held_at(0.08, 15), _held_at(0.05, 5)
    tips, objects = high[0] + low[0] + high[0], high[1] + low[1] + high[1]
    assert not _feed(PickJudge("red_cube"), *_from_rest(tips, objects)).lifted


def test_reach_is_three_centimetres():
    for height, reached in ((0.049, True), (0.051, False)):
        outcome = _feed(PickJudge("red_cube"), [[0.5, 0.0, height]], [TABLE])
        assert outcome.reached is reached
        assert outcome.min_distance_m == pytest.approx(height - 0.02)


def test_wrong_object_is_named():
    tips, objects = _held_at(0.08, 40, name="blue_cube")
    outcome = _feed(PickJudge("red_cube"), *_from_rest(tips, [{**o, "red_cube": TABLE["red_cube"]} for o in objects]))
    assert outcome.wrong_object == "blue_cube" and not outcome.lifted


@pytest.mark.parametrize(
    "instruction, expected",
    [
        ("pick up the red cube", "red_cube"),
        ("Pick up the BLUE cube.", "blue_cube"),
        ("grab the red block", "red_cube"),
        ("pick up the banana", None),
        ("pick up the red cube and the blue cube", None),
        ("", None),
    ],
)
def test_named_object(instruction, expected):
    assert named_object(instruction, TABLE) == expected
