"""The real franky client against the simulated robot: pose, contact, rest, grasp."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.sim

from molmoact_ros.arms.config import ArmConfig  # noqa: E402
from molmoact_ros.arms.driver import Arm  # noqa: E402
from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.config import build  # noqa: E402
from molmoact_ros.errors import MissingPart  # noqa: E402
from molmoact_ros.geometry import forward_kinematics, quaternion_from_rotation, transform  # noqa: E402
from molmoact_ros.sim.layout import sample_layout  # noqa: E402
from molmoact_ros.sim.table import poses  # noqa: E402
from molmoact_ros.sim.shared_world import SharedWorld, path_of  # noqa: E402
from molmoact_ros.sim.world import DOWN, solve_ik  # noqa: E402
from molmoact_ros.types import Command  # noqa: E402

HOST = f"127.1.{os.getpid() % 250}.1"
PERIOD_S = 0.01
SEED = 20_300


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, "-m", "molmoact_ros.sim.server", "--host", HOST, "--seed", str(SEED)]
    process = subprocess.Popen(command)
    yield SharedWorld.attach(path_of(HOST), 30.0)
    process.terminate()
    assert process.wait(timeout=5.0) == 0


@pytest.fixture(scope="module")
def arm(server):
    options = {"robot_ip": HOST, "dry_run": False, "realtime": False}
    factors = {"velocity_factor": 0.5, "acceleration_factor": 0.5, "jerk_factor": 0.5}
    arm = Arm(build(ArmConfig, options | factors))
    yield arm
    arm.close()


def _command(q, width_m=0.08, space="joint") -> Command:
    return Command(1, 1, 1, 1, space, [q], [width_m])


def _go(arm, world, q, width_m=0.08, speed=0.4, timeout_s=20.0) -> None:
    """Stream setpoints evenly to q, then wait for the arm."""
    start = arm.state(1).q
    steps = int(np.abs(q - start).max() / speed / PERIOD_S) + 1
    for i in range(steps):
        arm.apply(_command(start + (q - start) * (i + 1) / steps, width_m), time.monotonic())
        time.sleep(PERIOD_S)
    end = time.monotonic() + timeout_s
    while np.abs(world.read().qpos[:7] - q).max() > 0.003 and time.monotonic() < end:
        arm.apply(_command(q, width_m), time.monotonic())
        time.sleep(PERIOD_S)


def _tip_at(xyz, q):
    return solve_ik(q, transform(DOWN, xyz), iterations=50)


def test_the_reported_pose_is_the_true_pose_of_the_tip(server, arm):
    state = arm.state(7)
    assert state.stamp_ns == 7
    np.testing.assert_allclose(state.T_base_ee, forward_kinematics(FR3.dh, FR3.T_flange_ee, state.q), atol=1e-4)
    np.testing.assert_allclose(state.q, server.read().qpos[:7], atol=1e-3)


def test_nothing_pushes_an_arm_in_free_space(arm):
    assert np.abs(arm.state(0).wrench).max() < 0.5


def test_it_comes_to_rest_when_the_commands_stop(server, arm):
    q, sign = arm.state(0).q.copy(), -1.0 if arm.state(0).q[0] > 0 else 1.0
    for _ in range(80):
        q[0] += sign * 0.5 * PERIOD_S
        arm.apply(_command(q), time.monotonic())
        time.sleep(PERIOD_S)
    last, moving = server.read(), True
    assert np.abs(last.qvel[0]) > 0.2
    while moving:
        arm.watch(time.monotonic())
        now = server.read()
        moving = np.abs(now.qvel[:7]).max() > 0.02
        assert now.stamp_ns - last.stamp_ns < 300_000_000, "still moving after 0.3 s"
        time.sleep(0.002)


def test_tip_setpoints_take_over_from_joint_setpoints_in_flight(server, arm):
    q = arm.state(0).q.copy()
    for _ in range(40):
        q[3] -= 0.3 * PERIOD_S
        arm.apply(_command(q), time.monotonic())
        time.sleep(PERIOD_S)
    T, end = arm.state(0).T_base_ee, time.monotonic() + 10.0
    goal = T[:3, 3] + [0.0, 0.0, 0.03]
    target = [*goal, *quaternion_from_rotation(T[:3, :3])]
    while np.abs(arm.state(0).T_base_ee[:3, 3] - goal).max() > 0.003 and time.monotonic() < end:
        arm.apply(_command(target, space="ee"), time.monotonic())
        time.sleep(PERIOD_S)
    arm.hold()
    np.testing.assert_allclose(arm.state(0).T_base_ee[:3, 3], goal, atol=0.005)
    assert arm.problem == ""
    end = time.monotonic() + 5.0
    while np.abs(server.read().qvel[:7]).max() > 0.005 and time.monotonic() < end:
        time.sleep(PERIOD_S)


def test_a_dry_run_does_not_move(server, arm):
    before = server.read().qpos[:7]
    arm.config = build(ArmConfig, {"robot_ip": HOST, "realtime": False})
    try:
        for _ in range(20):
            arm.apply(_command(before + 0.2), time.monotonic())
            time.sleep(PERIOD_S)
    finally:
        arm.hold()
        arm.config = build(ArmConfig, {"robot_ip": HOST, "realtime": False, "dry_run": False})
    np.testing.assert_allclose(server.read().qpos[:7], before, atol=2e-3)


def test_a_setpoint_that_is_no_number_is_a_hold(server, arm):
    before = server.read().qpos[:7]
    arm.apply(_command(np.full(7, np.nan)), time.monotonic())
    time.sleep(0.2)
    np.testing.assert_allclose(server.read().qpos[:7], before, atol=2e-3)
    assert arm.problem == ""


def test_it_grasps_and_lifts_a_cube_and_a_hold_does_not_drop_it(server, arm):
    layout = sample_layout(SEED)
    item = layout.items[0]
    x, y, z = poses(server.read().qpos, layout)[item.name][:3]
    above = _tip_at([x, y, z + 0.12], arm.state(0).q)
    _go(arm, server, above)
    _go(arm, server, _tip_at([x, y, z], above))
    end = time.monotonic() + 10.0
    while arm.gripper.width_m > 0.062 and time.monotonic() < end:
        arm.apply(_command(arm.state(0).q, 0.0), time.monotonic())
        time.sleep(PERIOD_S)
    _go(arm, server, above, width_m=0.0)
    arm.apply(_command(above, 0.08, space="hold"), time.monotonic())
    time.sleep(0.5)
    assert poses(server.read().qpos, layout)[item.name][2] > z + 0.08
    assert arm.state(0).wrench[2] == pytest.approx(-item.mass_kg * 9.81, abs=0.3)


def test_a_wrong_address_is_one_line_that_says_what_to_do():
    with pytest.raises(MissingPart, match="no robot answers at 127.3.3.3:1337.*Check robot_ip"):
        Arm(build(ArmConfig, {"robot_ip": "127.3.3.3"}))


def test_a_port_in_use_is_one_line_and_exit_code_1(server):
    command = [sys.executable, "-m", "molmoact_ros.sim.server", "--host", HOST]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("[sim] error: ports 1337/1338") and "robot_ip:=127.0.0.2" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
