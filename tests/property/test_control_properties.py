"""Whatever a model emits: setpoints stay finite and slow, and rows that were due are never replayed."""

import numpy as np
from arm_nouns import START_NS, TICK_NS, LaggingArm, plan, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from molmoact_ros.arms.profile import FR3
from molmoact_ros.control.chunk_buffer import ChunkBuffer
from molmoact_ros.control.config import ControlConfig
from molmoact_ros.control.controller import Controller
from molmoact_ros.control.course import PoseHistory

ANY = st.one_of(
    st.floats(-1.5, 1.5), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0, 1e-300]), st.floats(width=64)
)
CHUNKS = st.one_of(
    arrays(np.float64, st.tuples(st.integers(1, 8), st.just(7)), elements=ANY),
    arrays(np.float64, st.tuples(st.integers(1, 8), st.just(7)), elements=st.floats(-0.8, 0.8)),
)
CONVENTIONS = st.sampled_from(["absolute_base", "delta_base"])
# What a model may offer: a chunk, its convention, the age of its picture and the time between its rows.
OFFERS = st.tuples(CHUNKS, CONVENTIONS, st.floats(-0.5, 3.0), st.floats(1e-9, 20.0))
QUICK = settings(max_examples=25, deadline=None)


@QUICK
@given(
    offers=st.lists(OFFERS, min_size=1, max_size=4),
    space=st.sampled_from(["joint", "ee"]),
)
def test_any_chunks_give_finite_slow_setpoints(offers, space):
    config = ControlConfig(command_space=space)
    controller, arm = Controller(config, FR3), LaggingArm()
    before = None
    for k in range(25 * len(offers)):
        now = START_NS + k * TICK_NS
        if k % 25 == 0:
            actions, convention, age_s, dt_s = offers[k // 25]
            controller.set_plan(plan(k + 1, max(now - int(age_s * 1e9), 0), actions, convention, dt_s))
        command = controller.tick(now, arm.state(now))
        assert np.isfinite(command.targets).all() and 0 <= command.gripper_width_m[0] <= 0.08
        if command.space == "joint":
            start = arm.q if before is None else before
            allowed = FR3.dq_max * config.joint_speed_fraction * TICK_NS * 1e-9
            assert np.all(np.abs(command.targets[0] - start) <= allowed * 1.001)
            assert np.all(command.targets[0] > FR3.q_min) and np.all(command.targets[0] < FR3.q_max)
            before = command.targets[0]
        elif command.space == "ee":
            start = arm.tip if before is None else before
            step = np.linalg.norm(command.targets[0, :3] - start)
            assert step <= config.max_tip_speed * TICK_NS * 1e-9 * 1.01
            before = command.targets[0, :3]
        else:
            before = None
        if space == "joint":
            arm.apply(command)


@QUICK
@given(
    late_s=st.floats(0.0, 1.5),
    points=arrays(np.float64, (8, 3), elements=st.floats(0.2, 0.6)),
    due=arrays(np.float64, (8, 3), elements=st.floats(0.2, 0.6)),
)
def test_a_course_does_not_depend_on_rows_that_were_due_before_the_last_one(late_s, points, due):
    now = START_NS + int(late_s * 1e9)
    first_ahead = int(np.searchsorted(START_NS + 200_000_000 * np.arange(1, 9), now, side="right"))
    changed = points.copy()
    changed[: max(first_ahead - 1, 0)] = due[: max(first_ahead - 1, 0)]
    courses = []
    for actions in (points, changed):
        buffer = ChunkBuffer(ControlConfig())
        buffer.put(plan(1, START_NS, rows(actions)))
        buffer.adopt(now, np.array([0.4, 0.0, 0.4]), np.array([1.0, 0, 0, 0]), PoseHistory())
        samples = [buffer.sample(now + k * TICK_NS) for k in range(0, 40, 4)]
        courses.append([sample.position for sample in samples if sample is not None])
    assert np.array_equal(courses[0], courses[1])
    assert np.allclose(courses[0][0], [0.4, 0.0, 0.4])
