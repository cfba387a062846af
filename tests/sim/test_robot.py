"""The simulated arm against upstream's robot: same bytes, same torques, truer state."""

import numpy as np
import pytest

pytestmark = pytest.mark.sim

from franky_sim.franka_robot_state import FrankaRobotState  # noqa: E402
from franky_sim.mujoco_simulator import FrankaMujocoRobot, MujocoSimulator  # noqa: E402

from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.geometry import forward_kinematics, jacobian  # noqa: E402
from molmoact_ros.sim.contact_forces import ContactForces  # noqa: E402
from molmoact_ros.sim.layout import sample_layout  # noqa: E402
from molmoact_ros.sim.table import ARM_DOFS, FINGER_DOFS, Table, place  # noqa: E402
from molmoact_ros.sim.robot import TICK_S, CellRobot, CellSimulator  # noqa: E402
from molmoact_ros.sim.robot_packet import RECORD, RobotPacket  # noqa: E402
from molmoact_ros.sim.scene import build_simulator  # noqa: E402


@pytest.fixture
def simulator():
    simulator, _ = build_simulator(CellSimulator)
    with simulator:
        simulator.start()
        yield simulator


def _columns(T):
    return np.reshape(T, (4, 4), order="F")


def test_the_packet_is_the_one_that_upstream_packs():
    packet, rng = RobotPacket(), np.random.default_rng(0)
    for name in RECORD.names:
        if RECORD[name].base.kind == "f":
            getattr(packet, name)[:] = rng.normal(size=RECORD[name].shape)
    modes = {"motion_generator_mode": 2, "controller_mode": 1, "robot_mode": 2}
    packet.fill(**modes)
    assert packet.to_bytes() == FrankaRobotState(**packet.numbers(), **modes).pack_state()


def test_it_moves_as_upstreams_robot_does():
    rng, torques = np.random.default_rng(1), []
    q, dq, goal = FR3.home_q, rng.normal(0, 0.3, 7), FR3.home_q + rng.normal(0, 0.01, 7)
    for kind in (CellSimulator, MujocoSimulator):
        simulator, robot = build_simulator(kind)
        with simulator:
            simulator.start()
            assert type(robot) is (CellRobot if kind is CellSimulator else FrankaMujocoRobot)
            simulator.data.qpos[ARM_DOFS], simulator.data.qvel[ARM_DOFS] = q, dq
            robot.set_hand_goal(0.03, 0.02, 40.0)
            robot.joint_position_control(goal)
            robot._pre_step()
            torques.append(simulator.data.qfrc_applied[:9].copy())
    np.testing.assert_allclose(*torques, rtol=1e-6, atol=1e-9)


def test_the_derivatives_of_a_setpoint_are_exact_over_a_lost_packet(simulator):
    robot, velocity = simulator.robots[0], np.linspace(-0.5, 0.5, 7)
    for tick in range(1, 60):
        lost = tick % 5 == 0
        robot.setpoint_ticks = 2 if tick > 1 and tick % 5 == 1 else 1
        robot.joint_position_control(FR3.home_q + velocity * tick * TICK_S, has_new_command=not lost)
        simulator.step()
        packet = robot.packet()
        np.testing.assert_allclose(packet.dq_d, velocity, atol=1e-5)
        # The first setpoint here is a jump to full speed, as after a starved client; a robot keeps its limits.
        np.testing.assert_array_less(np.abs(packet.ddq_d), FR3.ddq_max + 1e-3)
    np.testing.assert_allclose(packet.ddq_d, 0.0, atol=1e-2)
    tips = [forward_kinematics(FR3.dh, FR3.T_flange_ee, FR3.home_q + velocity * t * TICK_S)[:3, 3] for t in (58, 59)]
    np.testing.assert_allclose(packet.O_dP_EE_c[:3], (tips[1] - tips[0]) / TICK_S, atol=1e-3)
    for _ in range(3):
        robot.joint_position_control(robot.q_d)
    assert not robot.packet().dq_d.any() and not robot.packet().ddq_d.any()


def test_the_measured_pose_is_not_the_desired_one(simulator):
    robot = simulator.robots[0]
    goal = FR3.home_q + 0.05
    for _ in range(20):
        robot.joint_position_control(goal)
        simulator.step()
    packet, q = robot.packet(), simulator.data.qpos[ARM_DOFS]
    assert np.abs(q - goal).max() > 0.01
    for pose, joints in ((packet.O_T_EE, q), (packet.O_T_EE_d, goal)):
        np.testing.assert_allclose(_columns(pose), forward_kinematics(FR3.dh, FR3.T_flange_ee, joints), atol=1e-5)


def test_a_tip_target_is_reached_and_reported_as_asked(simulator):
    robot = simulator.robots[0]
    start = forward_kinematics(FR3.dh, FR3.T_flange_ee, FR3.home_q)[:3, 3]
    for tick in range(1, 301):
        target = start + [0.0, 0.1 * min(tick, 200) * TICK_S, 0.0]
        robot.cartesian_position_control([*target, 1.0, 0.0, 0.0, 0.0], None)
        simulator.step()
        if tick == 100:
            np.testing.assert_allclose(robot.packet().O_dP_EE_c[:3], [0.0, 0.1, 0.0], atol=1e-3)
            np.testing.assert_allclose(robot.packet().O_ddP_EE_c, 0.0, atol=0.1)
    np.testing.assert_allclose(_columns(robot.packet().O_T_EE_c)[:3, 3], target, atol=1e-6)
    np.testing.assert_allclose(_columns(robot.packet().O_T_EE)[:3, 3], target, atol=2e-3)


def test_the_hand_feels_the_weight_of_a_cube_and_nothing_in_the_air(simulator):
    robot, data = simulator.robots[0], simulator.data
    layout = sample_layout(0)
    Table(simulator.model).lay(data, layout)
    contacts, dofs = ContactForces(simulator.model, data), np.arange(7)
    _hold(simulator, robot, 100)
    tip = robot.kinematics(data.qpos[ARM_DOFS]).translation
    wrench, torques = contacts.at(tip, dofs)
    assert data.ncon >= 6 and not wrench.any() and not torques.any()
    item = layout.items[0]
    place(data, 0, tip, 0.0)
    data.qpos[FINGER_DOFS] = item.half[1] + 1e-4
    robot.set_hand_goal(0.0, 0.05, 30.0)
    _hold(simulator, robot, 400)
    wrench, torques = contacts.at(tip, dofs)
    assert wrench[2] == pytest.approx(-item.mass_kg * 9.81, abs=0.15)
    np.testing.assert_allclose(torques, jacobian(FR3.dh, FR3.T_flange_ee, data.qpos[ARM_DOFS]).T @ wrench, atol=0.02)


def _hold(simulator, robot, ticks) -> None:
    for _ in range(ticks):
        robot.joint_position_control(FR3.home_q)
        simulator.step()
