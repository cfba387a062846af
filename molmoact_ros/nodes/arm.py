"""`arm`: the franky driver as a node. It listens to the supervisor alone and rests when the supervisor falls silent."""

import time

import numpy as np
from geometry_msgs.msg import PoseStamped, WrenchStamped
from molmoact_msgs.msg import Command, RobotState
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from ..arms.config import ArmConfig
from ..arms.driver import AT_REST_RAD_S, Arm
from ..arms.profile import FR3
from . import qos
from .convert import command_from_msg, robot_state_to_msg
from .convert_arrays import header, pose_to_msg, wrench_to_msg
from .shell import CellNode, run

_JOINTS = [*FR3.joint_names, "fr3_finger_joint1", "fr3_finger_joint2"]


class ArmNode(CellNode):
    """Applies issued commands and publishes what the arm does."""

    CONFIG = ArmConfig

    def configure(self, config: ArmConfig) -> None:
        """Connect to the robot."""
        self._name = config.arm_name
        self._arm = Arm(config)
        self._was_silent = True
        self._state = self.output(RobotState, "arm/state", qos.STATE)
        self._joints = self.output(JointState, "arm/joint_states", qos.STATE)
        self._pose = self.output(PoseStamped, "arm/ee_pose", qos.STATE)
        self._wrench = self.output(WrenchStamped, "arm/wrench", qos.STATE)
        self.input(Command, "safety/command", self._apply, qos.COMMAND)
        self.serve(Trigger, "arm/recover", self._recover)
        self.every(1.0 / config.state_hz, self._tick)
        self.report(dry_run=config.dry_run)

    def deactivate(self) -> None:
        """Come to rest."""
        self._arm.hold()

    def close(self) -> None:
        """Come to rest and disconnect."""
        if hasattr(self, "_arm"):
            self._arm.close()

    def _apply(self, msg: Command) -> None:
        command = command_from_msg(msg)
        if command.arm_names == (self._name,):
            self._arm.apply(command, time.monotonic())

    def _recover(self, request, response):
        """Leave a robot error, such as a collision; the supervisor goes on when the arm is ready again."""
        response.message = self._arm.recover()
        response.success = not response.message
        return response

    def _tick(self) -> None:
        silent = self._arm.watch(time.monotonic())
        if silent != self._was_silent:
            self._was_silent = silent
            self.report(problem="supervisor_silent" if silent else "")
        now_ns = self.now_ns()
        state = self._arm.state(now_ns)
        if state is not None:
            self._publish(state, now_ns)

    def _publish(self, state, now_ns: int) -> None:
        at_rest = bool(np.all(np.abs(state.dq) < AT_REST_RAD_S))
        problem = self._arm.problem
        self._state.publish(robot_state_to_msg(state, self._name, at_rest, not problem, problem))
        finger = state.gripper_width_m / 2
        joints = JointState(header=header(now_ns), name=_JOINTS)
        joints.position, joints.velocity = [*state.q, finger, finger], [*state.dq, 0.0, 0.0]
        self._joints.publish(joints)
        self._pose.publish(PoseStamped(header=header(now_ns), pose=pose_to_msg(state.T_base_ee)))
        self._wrench.publish(WrenchStamped(header=header(now_ns), wrench=wrench_to_msg(state.wrench)))


def main(args=None) -> None:
    """Run the node."""
    run(ArmNode, args)
