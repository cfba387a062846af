"""Whatever is proposed: what is issued is finite, inside, slow, and never freer than the proposal."""

from dataclasses import replace

import numpy as np
from arm_nouns import CHAIN, START_NS, TICK_NS, LaggingArm, joint_command, safety_config, state
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from molmoact_ros.arms.profile import FR3
from molmoact_ros.safety.checks import Finding
from molmoact_ros.safety.limits import Limits
from molmoact_ros.safety.supervisor import Supervisor
from molmoact_ros.types import VerdictKind

CONFIG = safety_config(ramp_s=0.0)
LIMITS = Limits(CONFIG, FR3)
WILD = st.one_of(st.floats(-3, 3), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300]))
NEAR = arrays(np.float64, 7, elements=st.floats(-0.3, 0.3))
QUICK = settings(max_examples=40, deadline=None)


def _active_cell(config=CONFIG):
    supervisor, arm = Supervisor(config, FR3), LaggingArm()
    now = START_NS
    supervisor.arm(now, arm.state(now))
    for _ in range(12):
        now += TICK_NS
        supervisor.judge(now, joint_command(now, arm.q), arm.state(now))
    return supervisor, arm, now


@QUICK
@given(
    proposals=st.lists(
        st.one_of(NEAR.map(lambda d: FR3.home_q + d), arrays(np.float64, 7, elements=WILD)), min_size=5, max_size=30
    ),
    widths=st.floats(allow_nan=True, allow_infinity=True),
)
def test_whatever_is_proposed_what_is_issued_is_finite_inside_and_slow(proposals, widths):
    supervisor, arm, now = _active_cell()
    before = arm.q
    for proposal in proposals:
        for _ in range(5):
            now += TICK_NS
            verdict = supervisor.judge(now, joint_command(now, proposal, width_m=widths), arm.state(now))
            issued = verdict.command
            assert np.isfinite(issued.targets).all() and 0 <= issued.gripper_width_m[0] <= FR3.gripper_max_width_m
            if issued.space == "joint":
                q = issued.targets[0]
                assert LIMITS.outside(CHAIN.pose(q)) <= 1e-3 and LIMITS.outside_joints(q) <= 1e-9
                # The budget of a tick may hold up to 40 ms that slower steps did not use.
                assert np.all(np.abs(q - before) <= LIMITS.dq_max * 0.0401)
                assert np.abs(q - arm.q).max() <= 1.5 * CONFIG.max_lead_rad
                before = q
            else:
                assert verdict.kind in (VerdictKind.HOLD, VerdictKind.STOP)
            arm.apply(issued)
            if issued.space == "hold":
                before = arm.q
    assert LIMITS.outside(CHAIN.pose(arm.q)) < 5e-3


@QUICK
@given(
    q=arrays(np.float64, 7, elements=WILD),
    stamp=st.integers(-(10**12), 10**12),
    issued=st.integers(-(10**12), 10**12),
    robot_age=st.integers(-(10**9), 10**9),
    space=st.sampled_from(["joint", "ee", "hold"]),
    name=st.sampled_from(["fr3", "left"]),
)
def test_nothing_makes_the_supervisor_raise_or_issue_what_was_not_proposed(q, stamp, issued, robot_age, space, name):
    supervisor, arm, now = _active_cell()
    command = replace(joint_command(now, q), stamp_ns=stamp, issued_ns=issued, space=space, arm_names=(name,))
    verdict = supervisor.judge(now, command, state(now - robot_age))
    assert verdict.command.space in (space, "hold")
    if verdict.command.space != "hold":
        assert abs(now - issued) <= CONFIG.max_command_age_s * 1e9 and name == "fr3"


@QUICK
@given(step=NEAR)
def test_every_further_finding_only_tightens(step):
    """PASS < LIMIT < HOLD < STOP: adding a fault or a stop never frees a command, and a step never grows."""
    verdicts = []
    for fault, stop in ((None, False), (Finding("silent_perception", 1.0, 0.1), False), (None, True)):
        supervisor, arm, now = _active_cell()
        if stop:
            supervisor.e_stop()
        now += TICK_NS
        verdicts.append(supervisor.judge(now, joint_command(now, arm.q + step), arm.state(now), fault))
    free, held, stopped = (v.kind for v in verdicts)
    assert free <= held <= stopped and held is VerdictKind.HOLD and stopped is VerdictKind.STOP
    if verdicts[0].command.space == "joint":
        moved = np.linalg.norm(verdicts[0].command.targets[0] - FR3.home_q)
        # Sliding along the table or the box may bend a step, it never makes it longer than the speed allows.
        assert moved <= max(np.linalg.norm(step), np.linalg.norm(LIMITS.dq_max) * 0.0401) + 1e-9


@QUICK
@given(step=NEAR, share=st.floats(0.05, 1.0), which=st.sampled_from(["max_tip_speed", "joint_speed_fraction"]))
def test_tighter_limits_never_give_a_faster_command(step, share, which):
    moved = []
    for factor in (1.0, share):
        config = safety_config(ramp_s=0.0, **{which: getattr(CONFIG, which) * factor})
        supervisor, arm, now = _active_cell(config)
        verdict = supervisor.judge(now + TICK_NS, joint_command(now + TICK_NS, arm.q + step), arm.state(now + TICK_NS))
        joint = verdict.command.space == "joint"
        moved.append(np.abs(verdict.command.targets[0] - arm.q).max() if joint else 0.0)
    assert moved[1] <= moved[0] + 1e-9


EVENTS = st.sampled_from(
    ["arm", "disarm", "command", "fault", "nothing", "reset_moving", "reset_unknown", "clock_back"]
)


@QUICK
@given(before=st.lists(EVENTS, max_size=12), after=st.lists(EVENTS, min_size=1, max_size=25))
def test_a_stop_latches_whatever_happens_next(before, after):
    supervisor, arm, now = _active_cell()
    clock = [now]

    def happen(event: str):
        clock[0] += -(10**9) if event == "clock_back" else TICK_NS
        now, robot = clock[0], arm.state(clock[0])
        if event == "arm":
            return supervisor.arm(now, robot)
        if event == "disarm":
            return supervisor.disarm()
        if event.startswith("reset"):
            return supervisor.reset(now, None if event == "reset_unknown" else replace(robot, dq=np.full(7, 0.3)))
        fault = Finding("silent_arm", 1.0, 0.1) if event == "fault" else None
        command = None if event == "nothing" else joint_command(now, arm.q + 0.01)
        return supervisor.judge(now, command, robot, fault)

    for event in before:
        happen(event)
    supervisor.e_stop()
    for event in after:
        happen(event)
        verdict = happen("command")
        assert verdict.kind is VerdictKind.STOP and verdict.command.space == "hold" and verdict.reason == "e_stop"
