"""The simulated arm: franky-sim's robot with a true, exact state, in a fraction of upstream's time per tick.

Upstream derives some twenty state components per tick in Python, smooths their derivatives over 20 ms (so that a
motion that takes over from another one starts from the wrong velocity) and reports the desired pose as the measured
one. Here a control mode writes its setpoint and the exact derivatives once, into the packet that libfranka reads.
The control law (joint PD with Coriolis and gravity compensation) is upstream's.
"""

import numpy as np
import pinocchio as pin
from franky_sim.constants import FRANKA_HAND_FORCE_LIMIT, FRANKA_TORQUE_LIMITS_HIGH, FRANKA_TORQUE_LIMITS_LOW
from franky_sim.franka_robot_state import FrankaRobotState
from franky_sim.mujoco_simulator import FrankaMujocoRobot, InnerRobotState, MujocoSimulator

from ..arms.profile import FR3
from ..geometry import transform
from .robot_packet import RobotPacket

TICK_S = 0.001
_LOW, _HIGH = np.array(FRANKA_TORQUE_LIMITS_LOW, float), np.array(FRANKA_TORQUE_LIMITS_HIGH, float)


class CellRobot(FrankaMujocoRobot):
    """One arm with its hand. Setpoints are held between commands.

    setpoint_ticks: the ticks from the last setpoint to the one that is given next, by the client's clock.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self._packet = RobotPacket()
        self.q_d, self._moving, self.setpoint_ticks = np.array(self.initial_q, float), False, 1
        self._pose_d, self._asked_pose = self.kinematics(self.q_d).homogeneous, None
        self._describe_hand()

    def _describe_hand(self) -> None:
        hand = self.robot_parameters
        self._F_T_NE = transform(pin.rpy.rpyToMatrix(*hand.ee_tcp_rpy), hand.ee_tcp_xyz)
        self._packet.fill(m_ee=hand.ee_mass, I_ee=hand.ee_inertia, F_x_Cee=hand.ee_com, EE_T_K=self.EE_T_K)
        self._packet.fill(F_T_NE=_columns(self._F_T_NE), control_command_success_rate=1.0)
        self.set_NE_T_EE(tuple(np.eye(4).ravel()))

    def _attach_to_scene(self, model, data, prefix: str) -> None:
        """Keep views of the arm's part of MuJoCo's arrays: reading them costs nothing."""
        super()._attach_to_scene(model, data, prefix)
        at, dof = self._qpos_addrs[0], self._dof_addrs[0]
        arm, dofs = slice(at, at + 7), slice(dof, dof + 7)
        self._q, self._dq, self._torque = data.qpos[arm], data.qvel[dofs], data.qfrc_applied[dofs]
        self._pin = self._BaseRobot__model, self._BaseRobot__model.createData()

    # --- setpoints: what the client wants -------------------------------------------------------------------------

    def joint_position_control(self, target_q, has_new_command: bool = True) -> None:
        """Servo to `target_q` (7,) [rad]; without a new command to the last one."""
        if has_new_command:
            target_q = np.array(target_q, float)
            if self._moving or (target_q != self.q_d).any():
                dt = self.setpoint_ticks * TICK_S
                self._set_joints(target_q, (target_q - self.q_d) / dt, dt)
                pose = self.kinematics(target_q).homogeneous if self._asked_pose is None else self._asked_pose
                self._set_pose(pose, dt)
        self._servo(self.kp * (self.q_d - self._q) - self.kv * self._dq)

    def joint_velocity_control(self, target_dq, has_new_command: bool = True) -> None:
        """Servo to joint velocities (7,) [rad/s]; the desired position is the present one."""
        dt = self.setpoint_ticks * TICK_S
        self._set_joints(self._q.copy(), np.array(target_dq, float), dt)
        self._set_pose(self.kinematics(self._q).homogeneous, dt)
        self._servo(self.kv * (self._packet.dq_d - self._dq))

    def cartesian_position_control(self, target_pose, target_elbow_config, has_new_command: bool = True) -> None:
        """Servo to x y z qx qy qz qw through upstream's inverse kinematics."""
        if not has_new_command:
            self.joint_position_control(self.q_d, False)
            return
        # The client goes on from the pose it asked for, not from that of the joint solution.
        self._asked_pose = pin.XYZQUATToSE3(np.asarray(target_pose)).homogeneous
        super().cartesian_position_control(target_pose, target_elbow_config, has_new_command)
        self._asked_pose = None
        if target_elbow_config is not None:
            self._packet.fill(elbow_c=target_elbow_config)

    def cartesian_velocity_control(self, target_vel, target_elbow_config, has_new_command: bool = True) -> None:
        """Servo to a tip twist (6,) through upstream's inverse kinematics."""
        super().cartesian_velocity_control(target_vel, target_elbow_config, has_new_command)
        self._packet.fill(O_dP_EE_c=target_vel, O_dP_EE_d=target_vel)

    def torque_control(self, torques, has_new_command: bool = True) -> None:
        """Apply joint torques (7,) [Nm] on top of gravity compensation."""
        self._set_joints(self._q.copy(), self._dq.copy(), TICK_S)
        self._set_pose(self.kinematics(self._q).homogeneous, TICK_S)
        self._drive(np.asarray(torques), pin.computeGeneralizedGravity(*self._pin, self._q))

    def _set_joints(self, q_d, dq_d, dt: float) -> None:
        # A robot's own setpoint keeps its limits; after a lost packet the client's first one may not.
        ddq_d = np.minimum(np.maximum((dq_d - self._packet.dq_d) / dt, -FR3.ddq_max), FR3.ddq_max)
        self._packet.fill(q_d=q_d, dq_d=dq_d, ddq_d=ddq_d)
        elbow = (q_d[2], 1.0 if q_d[3] > 0 else -1.0)
        self._packet.fill(elbow_d=elbow, elbow_c=elbow)
        self.q_d, self._moving = q_d, bool(dq_d.any() or ddq_d.any())

    def _set_pose(self, pose, dt: float) -> None:
        step = pose[:3, :3] @ self._pose_d[:3, :3].T
        # The axis-angle vector of a rotation within one tick, to second order.
        turn = np.array([step[2, 1] - step[1, 2], step[0, 2] - step[2, 0], step[1, 0] - step[0, 1]]) / 2
        twist = np.concatenate([pose[:3, 3] - self._pose_d[:3, 3], turn]) / dt
        columns, acceleration = _columns(pose), (twist - self._packet.O_dP_EE_c) / dt
        self._packet.fill(O_T_EE_d=columns, O_T_EE_c=columns, O_dP_EE_d=twist, O_dP_EE_c=twist, O_ddP_EE_c=acceleration)
        self._pose_d = pose

    # --- torques: what the motors do -----------------------------------------------------------------------------

    def _servo(self, torques) -> None:
        gravity = pin.computeGeneralizedGravity(*self._pin, self._q).copy()
        self._drive(torques + pin.nonLinearEffects(*self._pin, self._q, self._dq) - gravity, gravity)

    def _drive(self, torques, gravity) -> None:
        torques = np.minimum(np.maximum(torques, _LOW), _HIGH)
        self._torque[:] = np.minimum(np.maximum(torques + gravity, _LOW), _HIGH)
        self._packet.tau_J_d[:] = torques

    def _pre_step(self) -> None:
        """Drive the fingers to their goal: upstream's PD law with its limits on speed and force."""
        if self._data is None:
            return
        goal, limit = self._hand_goal_width / 2, min(FRANKA_HAND_FORCE_LIMIT, self._hand_goal_force)
        qpos, qvel, applied = self._data.qpos, self._data.qvel, self._data.qfrc_applied
        for i, (at, dof) in enumerate(zip(self._finger_qpos_addrs, self._finger_dof_addrs)):
            speed = float(qvel[dof])
            damping = float(self._kv_hand[i]) * speed
            force = float(self._kp_hand[i]) * (goal - float(qpos[at])) - damping
            if abs(speed) > self._hand_goal_velocity and speed * force > 0:
                force = -damping
            applied[dof] = min(max(force, -limit), limit)

    def _post_step(self) -> None:
        """Do nothing: upstream's trackers are not needed."""

    # --- state: what the client is told --------------------------------------------------------------------------

    def feel(self, wrench, torques) -> None:
        """Set what the arm does to its surroundings: wrench (6,) at the tip in base axes, joint torques (7,)."""
        self._packet.fill(O_F_ext_hat_K=wrench, K_F_ext_hat_K=wrench, tau_ext_hat_filtered=torques)

    def packet(self) -> RobotPacket:
        """Return the packet with everything in it that is measured."""
        q = self._q
        elbow = (q[2], 1.0 if q[3] > 0 else -1.0)
        self._packet.fill(q=q, dq=self._dq, tau_J=self._torque, elbow=elbow)
        self._packet.fill(O_T_EE=_columns(self.kinematics(q).homogeneous))
        return self._packet

    @property
    def state(self) -> FrankaRobotState:
        """The same state as upstream's object."""
        return FrankaRobotState(**self.packet().numbers())

    def kinematics(self, q):
        """Return the tip's pose as a copy; upstream returns a view that the next call overwrites."""
        return super().kinematics(q).copy()

    def _get_state(self) -> InnerRobotState:
        if self._data is None:
            return super()._get_state()
        return InnerRobotState(tuple(self._q), tuple(self._dq), tuple(self._torque))

    def set_NE_T_EE(self, ne_t_ee) -> None:
        """Move the end effector frame against the nominal one (column-major)."""
        super().set_NE_T_EE(ne_t_ee)
        F_T_EE = self._F_T_NE @ np.reshape(ne_t_ee, (4, 4), order="F")
        self._packet.fill(NE_T_EE=ne_t_ee, F_T_EE=_columns(F_T_EE))

    def set_EE_T_K(self, ee_t_k) -> None:
        """Keep the stiffness frame; it changes nothing in simulation."""
        super().set_EE_T_K(ee_t_k)
        self._packet.fill(EE_T_K=ee_t_k)

    def set_load(self, load_mass, F_x_Cload, load_inertia) -> None:
        """Compensate a payload."""
        super().set_load(load_mass, F_x_Cload, load_inertia)
        self._packet.fill(m_load=load_mass, F_x_Cload=F_x_Cload, I_load=load_inertia)


class CellSimulator(MujocoSimulator):
    """franky-sim's simulator with CellRobots."""

    def add_robot(self, position=(0.0, 0.0, 0.0), **options) -> CellRobot:
        """Add a robot; upstream offers no hook for the class of its robots."""
        super().add_robot(position=position, **options)
        self._robots[-1] = CellRobot(**options)
        return self._robots[-1]


def _columns(T):
    """Return the 16 numbers of a (4, 4) transform in libfranka's column-major order."""
    return T.T.reshape(16)
