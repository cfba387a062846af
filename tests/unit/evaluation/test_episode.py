"""An episode, told by hand what happened."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from molmoact_ros.errors import MissingPart
from molmoact_ros.evaluation.episode import Episode, Limits, go_home, plan_ms
from molmoact_ros.evaluation.observed import SafetyView, TableState, Verdicts
from molmoact_ros.sim.language import instruction, understand
from molmoact_ros.sim.layout import AXES, sample_layout, table_number
from molmoact_ros.types import ActionChunk, Command, DepthTokens, Plan, Refusal, Trace

# Table 7: yellow ball, blue ball, red cube, purple cube.
INSTRUCTION = "pick up the red cube"
FOREVER = Limits(motion_s=60.0, silence_s=60.0, refusal_s=60.0)


def _state(time_s: float, tip=(0.4, 0.0, 0.4), red=(0.5, 0.0, 0.02), speed: float = 0.0) -> TableState:
    objects = {"red_cube": red, "purple_cube": (0.5, 0.2, 0.02), "blue_ball": (0.6, -0.2, 0.02)}
    return TableState(int(time_s * 1e9), 7, np.zeros(7), np.full(7, speed), tip, 0.08, objects, 1.0)


def _plan(stamp_ns: int = 10**9, instruction: str = INSTRUCTION) -> Plan:
    tokens = DepthTokens(stamp_ns, np.zeros((10, 10)), 128, "model")
    chunk = ActionChunk(stamp_ns, 0.2, np.ones((8, 7)), "absolute_base")
    latency = {"prefill": 20.0, "total": 120.0}
    return Plan(1, instruction, tokens, Trace(stamp_ns, [[1, 1]], (320, 240), "model"), chunk, latency)


def _command(space: str, age_s: float) -> Command:
    return Command(10**9, 10**9 + int(age_s * 1e9), 1, 1, space, np.zeros((1, 7)), [0.08])


def test_a_lift_ends_it_and_is_reported():
    episode = Episode(INSTRUCTION, _state(1.0))
    episode.take_plan(_plan())
    for k in range(60):
        time_s, z = 1.0 + 0.05 * k, 0.02 + 0.005 * k
        episode.take_truth(_state(time_s, tip=(0.5, 0.0, z), red=(0.5, 0.0, z), speed=0.3))
    assert episode.over(FOREVER) == "success"
    case = episode.case(7, "success", Verdicts(10, 2, 1, 0))
    assert (
        case["success"]
        and case["lifted"]
        and case["reached"]
        and case["task"] == "pick"
        and case["target"] == "red_cube"
        and not case["wrong_object"]
    )
    assert case["plan_ms"] == [120.0] and case["verdicts"]["limited"] == 2
    assert 0 <= case["time_to_first_motion_s"] < 5


def test_time_runs_from_the_first_motion():
    episode = Episode(INSTRUCTION, _state(0.0))
    episode.take_truth(_state(100.0))
    assert episode.over(FOREVER) == ""
    episode.take_plan(_plan())
    episode.take_truth(_state(101.0, speed=0.2))
    assert episode.over(FOREVER) == "" and episode.elapsed_s == 101.0
    episode.take_truth(_state(162.0, speed=0.2))
    assert episode.over(FOREVER) == "timeout"


def test_no_motion_ends_it():
    episode = Episode(INSTRUCTION, _state(0.0))
    assert episode.over(Limits(silence_s=-1.0)) == "no motion"


def test_lasting_refusal_ends_it_and_a_plan_forgives_it():
    episode = Episode(INSTRUCTION, _state(0.0))
    episode.take_plan(Refusal(1, "object_not_in_sight", "nothing red", INSTRUCTION))
    assert episode.over(Limits(refusal_s=-1.0)) == "object_not_in_sight: nothing red"
    episode.take_plan(_plan())
    assert episode.over(Limits(refusal_s=-1.0)) == ""
    assert episode.refusals == {"object_not_in_sight": 1} and len(episode.plans) == 1
    assert not episode.case(7, "timeout", Verdicts())["gave_up"]
    assert episode.case(7, episode.refusal_detail, Verdicts())["gave_up"]


def test_plans_of_another_instruction_do_not_count():
    episode = Episode(INSTRUCTION, _state(0.0))
    episode.take_plan(_plan(instruction="pick up the blue cube"))
    assert not episode.plans


def test_an_absent_object_is_no_target():
    episode = Episode("pick up the green cube", _state(0.0))
    episode.take_truth(_state(1.0))
    case = episode.case(7, "refused", Verdicts())
    assert episode.outcome is None and case["target"] == "" and not case["lifted"] and not case["gave_up"]


@pytest.mark.parametrize("axis", AXES)
def test_a_table_is_judged_by_its_own_task(axis):
    for seed in range(20_000, 20_020):
        layout = sample_layout(table_number(seed, axis))
        start = TableState(0, layout.number, np.zeros(7), np.zeros(7), (0.4, 0, 0.4), 0.08, {}, 1.0)
        assert Episode(instruction(layout), start).task == layout.task == understand(instruction(layout), layout.items)


class Cell:
    """At home and at rest; the hand opens at the given look, if ever."""

    def __init__(self, opens_at: int):
        self._opens_at, self.looks, self.homes = opens_at, 0, 0

    def truth(self):
        self.looks += 1
        width = 0.08 if self.looks >= self._opens_at else 0.04
        return TableState(0, 7, np.zeros(7), np.zeros(7), (0.4, 0, 0.4), width, {}, 1.0)

    def latest(self, topic):
        return SimpleNamespace(space="hold")

    def safety(self):
        return SafetyView("ACTIVE", "", Verdicts())

    def now_ns(self):
        return 0

    def home(self):
        self.homes += 1

    def wait_for(self, condition, timeout_s):
        return any(condition() for _ in range(5))


def test_home_is_reached_with_an_open_hand():
    cell = Cell(opens_at=8)
    go_home(cell, np.zeros(7), 1.0)
    assert cell.homes == 2 and cell.looks == 8
    with pytest.raises(MissingPart, match="open hand"):
        go_home(Cell(opens_at=1000), np.zeros(7), 1.0)


def test_ages_of_commands_that_move():
    episode = Episode(INSTRUCTION, _state(0.0))
    for space, age_s in (("joint", 0.25), ("hold", 9.0)):
        episode.take_command(_command(space, age_s))
    assert episode.commands == 1 and episode.command_age_ms == pytest.approx([250.0])


def test_helpers_of_the_report():
    assert plan_ms(_plan()) == 120.0
    assert Verdicts(5, 4, 3, 2).since(Verdicts(1, 1, 1, 1)) == (4, 3, 2, 1)
    assert math.isnan(Episode(INSTRUCTION, _state(0.0)).wall_to_motion_s)
