"""Time alignment, skipping, blending and refusal of chunks."""

import numpy as np
import pytest
from arm_nouns import START_NS, plan, rows, state

from molmoact_ros.control.chunk_buffer import ChunkBuffer
from molmoact_ros.control.config import ControlConfig
from molmoact_ros.control.course import PoseHistory, RefusedChunk
from molmoact_ros.rotation import IDENTITY

LINE = np.array([[0.4 + 0.01 * k, 0.0, 0.3] for k in range(1, 9)])
HERE = np.array([0.4, 0.0, 0.3])
DOWN_Q = np.array([1.0, 0.0, 0.0, 0.0])
SECOND = 1_000_000_000


def _adopted(buffer, plan_, now_ns, position=HERE, history=None):
    buffer.put(plan_)
    assert buffer.ready(now_ns)
    buffer.adopt(now_ns, position, DOWN_Q, history or PoseHistory())
    return buffer


def test_rows_are_due_one_step_after_the_other():
    buffer = _adopted(ChunkBuffer(ControlConfig(lookahead_s=0.0)), plan(1, START_NS, rows(LINE)), START_NS)
    for k in range(1, 8):
        assert np.allclose(buffer.sample(START_NS + (k + 1) * SECOND // 5).position, LINE[k])
    between = buffer.sample(START_NS + SECOND // 2).position
    assert np.allclose(between, (LINE[1] + LINE[2]) / 2)


def test_a_late_plan_starts_where_the_arm_is_and_skips_rows_that_were_due():
    now = START_NS + 700_000_000
    config = ControlConfig(lookahead_s=0.0)
    buffer = _adopted(ChunkBuffer(config), plan(1, START_NS, rows(LINE)), now, position=LINE[3])
    assert np.allclose(buffer.sample(now).position, LINE[3])
    xs = [buffer.sample(now + k * 10_000_000).position[0] for k in range(60)]
    assert min(xs) >= LINE[3][0] - 1e-9
    assert np.allclose(buffer.sample(START_NS + SECOND).position, LINE[4])


def test_the_course_runs_dry_after_the_settling_time():
    config = ControlConfig(settle_s=0.1)
    buffer = _adopted(ChunkBuffer(config), plan(1, START_NS, rows(LINE)), START_NS)
    assert buffer.sample(START_NS + 1_650_000_000) is not None
    assert buffer.sample(START_NS + 1_710_000_000) is None


def test_setpoints_run_ahead_of_the_course_by_the_lag_of_the_arm():
    buffer = _adopted(ChunkBuffer(ControlConfig(lookahead_s=0.2)), plan(1, START_NS, rows(LINE)), START_NS)
    assert np.allclose(buffer.sample(START_NS + SECOND).position, LINE[5])


def test_the_gripper_acts_on_the_way_to_its_row():
    actions = rows(LINE, [1, 1, 0, 0, 0, 0, 0, 0])
    buffer = _adopted(ChunkBuffer(ControlConfig()), plan(1, START_NS, actions), START_NS)
    assert buffer.sample(START_NS + 100_000_000).gripper == 1.0
    assert buffer.sample(START_NS + 390_000_000).gripper == 1.0
    assert buffer.sample(START_NS + 400_000_000).gripper == 0.0


def test_deltas_are_summed_from_the_pose_at_the_stamp():
    history = PoseHistory()
    history.push(state(START_NS))
    actions = np.tile([0.01, 0.0, -0.01, 0.0, 0.0, 0.1, 1.0], (8, 1))
    buffer = _adopted(ChunkBuffer(ControlConfig()), plan(1, START_NS, actions, "delta_base"), START_NS, history=history)
    start = state(START_NS).T_base_ee[:3, 3]
    last = buffer.sample(START_NS + 1_600_000_000)
    assert np.allclose(last.position, start + [0.08, 0.0, -0.08])
    yaw = 2 * np.arctan2(last.quaternion[1], last.quaternion[0])
    assert yaw == pytest.approx(0.8, abs=1e-3)


def test_a_running_course_keeps_its_committed_time():
    buffer = _adopted(ChunkBuffer(ControlConfig(commit_s=0.1)), plan(1, START_NS, rows(LINE)), START_NS)
    buffer.put(plan(2, START_NS + 1, rows(LINE)))
    assert not buffer.ready(START_NS + 200_000_000)
    assert not buffer.ready(START_NS + 290_000_000)
    assert buffer.ready(START_NS + 300_000_000)


@pytest.mark.parametrize(
    "name, changed",
    [
        ("not_finite", plan(1, START_NS, rows(LINE) * np.nan)),
        ("not_finite", plan(1, START_NS, rows(LINE) + np.inf)),
        ("implausible_step", plan(1, START_NS, rows(LINE), dt_s=1e9)),
        ("implausible_angle", plan(1, START_NS, rows(LINE) + [0, 0, 0, 99, 0, 0, 0])),
    ],
)
def test_a_chunk_that_means_no_motion_is_refused_by_name(name, changed):
    buffer = ChunkBuffer(ControlConfig())
    with pytest.raises(RefusedChunk) as refused:
        buffer.put(changed)
    assert refused.value.name == name
    assert not buffer.ready(START_NS) and buffer.course is None


@pytest.mark.parametrize(
    "name, offered, now_ns",
    [
        ("plan_late", plan(1, START_NS, rows(LINE)), START_NS + 1_600_000_000),
        ("plan_too_old", plan(1, START_NS, rows(LINE), dt_s=9.0), START_NS + 3 * SECOND),
        ("plan_from_future", plan(1, START_NS + SECOND, rows(LINE)), START_NS),
        ("implausible_position", plan(1, START_NS, rows(LINE * 1e6)), START_NS),
        ("no_pose_at_stamp", plan(1, START_NS, rows(LINE), "delta_base"), START_NS),
    ],
)
def test_a_plan_that_cannot_be_adopted_is_refused_by_name(name, offered, now_ns):
    buffer = ChunkBuffer(ControlConfig())
    buffer.put(offered)
    assert buffer.ready(now_ns)
    with pytest.raises(RefusedChunk) as refused:
        buffer.adopt(now_ns, HERE, IDENTITY, PoseHistory())
    assert refused.value.name == name
    assert buffer.sample(now_ns) is None and not buffer.ready(now_ns)


def test_an_older_plan_than_the_current_one_is_ignored():
    buffer = _adopted(ChunkBuffer(ControlConfig()), plan(5, START_NS + 100, rows(LINE)), START_NS + 100)
    for stamp in (START_NS, START_NS + 100):
        with pytest.raises(RefusedChunk, match="older_plan"):
            buffer.put(plan(6, stamp, rows(LINE + 0.1)))
