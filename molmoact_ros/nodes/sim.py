"""`sim`: starts the simulated robot as a process beside it; publishes its clock and its truth."""

import subprocess
import sys

from geometry_msgs.msg import Pose
from molmoact_msgs.msg import SimState
from molmoact_msgs.srv import ResetWorld
from rosgraph_msgs.msg import Clock

from ..arms.profile import FR3
from ..errors import InvalidData, MissingPart
from ..geometry import forward_kinematics
from ..sim.config import SimConfig
from ..sim.layout import sample_layout
from ..sim.shared_world import SharedWorld, Snapshot, path_of
from ..sim.table import finger_width_m, poses
from . import qos
from .convert_arrays import header, pose_to_msg, stamp_to_msg
from .shell import CellNode, run

_START_S = 20.0


class SimNode(CellNode):
    """The only node that knows the truth, and the only source of time."""

    CONFIG = SimConfig
    _layout = None

    def configure(self, config: SimConfig) -> None:
        """Start the robot server and wait for its first tick."""
        path = path_of(config.robot_ip)
        command = [
            sys.executable,
            "-m",
            "molmoact_ros.sim.server",
            "--host",
            config.robot_ip,
            "--seed",
            str(config.seed),
        ]
        self._server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self._world = SharedWorld.attach(path, _START_S, self._still_alive, owner=self._server.pid)
        self._clock_output = self.output(Clock, "/clock", qos.STATE)
        self._state_output = self.output(SimState, "sim/state", qos.STATE)
        self.serve(ResetWorld, "sim/reset", self._reset)
        self.every(1.0 / config.clock_hz, self._tick_clock)
        self.every(1.0 / config.state_hz, self._tick_state)

    def close(self) -> None:
        """End the robot server."""
        if hasattr(self, "_server") and self._server.poll() is None:
            self._server.terminate()
            self._server.wait(timeout=3.0)

    def _still_alive(self) -> None:
        """Raise what the robot server said when it ended."""
        if self._server.poll() is None:
            return
        lines = self._server.stderr.read().strip().splitlines()
        said = lines[-1].removeprefix("[sim] error: ") if lines else f"exit code {self._server.returncode}"
        found, _, rest = said.partition("; expected ")
        expected, _, do = rest.partition(". ")
        raise MissingPart(found, expected or "a running robot server", do or "Look at the messages above.")

    def _tick_clock(self) -> None:
        self._clock_output.publish(Clock(clock=stamp_to_msg(self._world.read().stamp_ns)))

    def _tick_state(self) -> None:
        self._still_alive()
        now = self._world.read()
        self.report(real_time_factor=round(now.real_time_factor, 3), seed=now.seed)
        self._state_output.publish(self._message(now))

    def _message(self, now: Snapshot) -> SimState:
        if self._layout is None or self._layout.number != now.seed:
            self._layout = sample_layout(now.seed)
        objects = poses(now.qpos, self._layout)
        message = SimState(header=header(now.stamp_ns), seed=now.seed, object_names=list(objects))
        message.q, message.dq = now.qpos[:7], now.qvel[:7]
        message.ee = pose_to_msg(forward_kinematics(FR3.dh, FR3.T_flange_ee, now.qpos[:7]))
        message.gripper_width = finger_width_m(now.qpos)
        message.object_poses = [_pose(p) for p in objects.values()]
        message.real_time_factor = now.real_time_factor
        return message

    def _reset(self, request, response):
        if abs(self._world.read().qvel[:7]).max() > 0.05:
            response.accepted, response.message = False, "the arm is moving; hold it first"
            return response
        try:
            sample_layout(request.seed)
        except InvalidData as error:
            response.accepted, response.message = False, str(error)
            return response
        self._world.ask_layout(request.seed)
        response.accepted, response.message = True, f"table {request.seed}"
        return response


def _pose(xyz_xyzw) -> Pose:
    pose = Pose()
    x, y, z, pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = map(float, xyz_xyzw)
    pose.position.x, pose.position.y, pose.position.z = x, y, z
    return pose


def main(args=None) -> None:
    """Run the node."""
    run(SimNode, args)
