"""The simulated robot: the scene behind the real libfranka protocol (franky-sim), with corrections.

The loop keeps an absolute 1 kHz deadline and waits for a moving client, the state is true and exact (robot.py), and
external forces come from contacts (upstream reports joint torques).
"""

import argparse
import ctypes
import os
import select
import signal
import struct
import sys
import time

import mujoco
import numpy as np
from franky_sim.franka_robot_protocol import RobotMode
from franky_sim.franka_robot_server import FrankaRobotServer
from franky_sim.franka_server import FrankaServer
from franky_sim.simulation_server import SimulationServer

from ..errors import MissingPart, MolmoActError
from .contact_forces import ContactForces
from .layout import sample_layout
from .robot import TICK_S, CellSimulator
from .scene import build_simulator
from .shared_world import SharedWorld, path_of
from .table import ARM_DOFS, Table

ROBOT_PORT, GRIPPER_PORT = 1337, 1338
# Contacts change slowly against a tick; looking every 10 ms keeps the loop at 1 kHz.
CONTACT_TICKS = 10
# The hand reports its width much less often than the arm its state.
GRIPPER_STATE_TICKS = 10
# A client that is silent for longer is taken for dead until it answers again; the arm goes on to its last setpoint.
CLIENT_PATIENCE_S = 0.3
FACTOR_WINDOW = 1000


class RobotServer(FrankaRobotServer):
    """franky-sim's protocol server; sends the robot's packet as it lies."""

    _modes, _answered, _silent, _hand_pause = (0, 0), None, False, 0

    def start_motion(self, controller_mode, motion_generator_mode, motion_id) -> None:
        """Begin a motion."""
        super().start_motion(controller_mode, motion_generator_mode, motion_id)
        self._answered = None
        self._note_modes()

    def stop_motion(self, send_preemption_signal: bool = True) -> None:
        """End the motion and hold."""
        super().stop_motion(send_preemption_signal)
        self._note_modes()

    def _reset_state(self) -> None:
        super()._reset_state()
        if self.robot.data is not None:
            self._note_modes()

    def _note_modes(self) -> None:
        # Upstream works the modes out of its private control mode; they change with a motion, not with a tick.
        state = self.robot_state
        self._modes = (int(state.motion_generator_mode), int(state.controller_mode))

    def _process_udp_commands(self) -> None:
        """Take the answers that came in. Their number is that of the state they answer, which is the client's clock.

        A starved client leaves states out and answers late; by the ticks of the server its setpoints would jump.
        """
        before = self._answered
        super()._process_udp_commands()
        if self._answered is not None:
            self.robot.setpoint_ticks = 1 if before is None else max(self._answered - before, 1)

    def _handle_udp_command(self, command_data: bytes) -> None:
        (self._answered,) = struct.unpack_from("<Q", command_data)
        super()._handle_udp_command(command_data)

    def await_client(self) -> None:
        """Wait for a moving client's answer to the last state, or for word that it stops or is gone."""
        last = self._FrankaServer__message_id - 1
        # libfranka reads a state or two before it answers the first.
        if self.current_motion_id and self._answered not in (None, last):
            sockets = [self._FrankaServer__udp_socket, self._tcp_socket]
            self._silent = not select.select(sockets, [], [], 0.0 if self._silent else CLIENT_PATIENCE_S)[0]

    def _get_state_bytes(self) -> bytes:
        packet = self.robot.packet()
        packet.motion_generator_mode[0], packet.controller_mode[0] = self._modes
        packet.robot_mode[0] = RobotMode.kMove if self.current_motion_id > 0 else RobotMode.kIdle
        return packet.to_bytes()

    def send_state(self) -> None:
        """Send the arm's state; the hand's at a hand's pace."""
        FrankaServer.send_state(self)
        self._hand_pause -= 1
        if self._hand_pause <= 0 and self.gripper_server is not None:
            self.gripper_server.send_state()
            self._hand_pause = GRIPPER_STATE_TICKS


class CellServer(SimulationServer):
    """Serves one arm, lays the table out on request, shares the truth."""

    def __init__(self, host: str, seed: int):
        self.simulator, self.robot = build_simulator(CellSimulator)
        self.simulator.init()
        super().__init__(self.simulator, [host])
        self.host, self.seed, self.tick = host, seed, 0
        self.factor, self._mark = 1.0, (0, time.monotonic())

    def init(self) -> None:
        """Bind the ports, compile the scene, lay out the table."""
        try:
            server = RobotServer(self.robot, [self.host])
            server.init()
            self.robot_servers.append(server)
            self.simulator.start()
        except (RuntimeError, OSError) as error:
            raise MissingPart(
                f"ports {ROBOT_PORT}/{GRIPPER_PORT} of {self.host} cannot be bound ({str(error).splitlines()[0][:80]})",
                "free ports for the simulated robot",
                "Stop the other simulation, or give another address: robot_ip:=127.0.0.2",
            ) from error
        model, data = self.simulator.model, self.simulator.data
        # franky-sim damps joints 5-7 with 200 Nms/rad in explicit steps of 1 ms. With their armature of 0.074 kgm2
        # that is past the edge of stability (2 J / dt): once moved they tremble at 0.08 rad/s for ever.
        model.dof_armature[4:7] = 0.2
        self.contacts = ContactForces(model, data)
        self.table = Table(model)
        self.table.lay(data, sample_layout(self.seed))
        mujoco.mj_forward(model, data)
        self.world = SharedWorld.create(path_of(self.host), model.nq, model.nv)

    def serve(self) -> None:
        """Run at 1 kHz until told to stop; a late tick is made up for, a long stall is not."""
        self.running, deadline = True, time.monotonic()
        while self.running:
            self._await_client()
            self.one_tick()
            deadline += TICK_S
            ahead = deadline - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            elif ahead < -0.05:
                deadline = time.monotonic()

    def _await_client(self) -> None:
        """Let a moving client answer the last state before time goes on, as on a robot with a real-time client.

        A busy computer then makes the simulation slow instead of making the motion jerk.
        """
        for server in self.robot_servers:
            server.await_client()

    def one_tick(self) -> None:
        """Take commands, step, send the state, share the truth."""
        for server in self.robot_servers:
            server.process_commands()
        self._lay_out()
        self.sim.step()
        for server in self.robot_servers:
            server.send_state()
        self.tick += 1
        if self.tick % CONTACT_TICKS == 0:
            self._feel()
        if self.tick % FACTOR_WINDOW == 0:
            now = time.monotonic()
            self.factor = (self.tick - self._mark[0]) * TICK_S / (now - self._mark[1])
            self._mark = (self.tick, now)
        data = self.simulator.data
        self.world.write(self.tick, data.qpos, data.qvel, self.seed, self.factor)

    def _feel(self) -> None:
        tip = self.robot.kinematics(self.simulator.data.qpos[ARM_DOFS]).translation
        self.robot.feel(*self.contacts.at(tip, np.arange(ARM_DOFS.start, ARM_DOFS.stop)))

    def _lay_out(self) -> None:
        wanted = self.world.wanted_layout()
        if wanted is not None:
            ticket, self.seed = wanted
            self.table.lay(self.simulator.data, sample_layout(self.seed))
            self.world.finish_layout(ticket)


def _die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def main(argv=None) -> int:
    """Run the simulated robot as a process: python -m molmoact_ros.sim.server --host 127.0.0.1 --seed 0."""
    parser = argparse.ArgumentParser(description=main.__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    _die_with_parent()
    server = CellServer(options.host, options.seed)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: setattr(server, "running", False))
    try:
        server.init()
        server.serve()
    except MolmoActError as error:
        print(f"[sim] error: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        for robot_server in server.robot_servers:
            robot_server.cleanup()
        if hasattr(server, "world"):
            os.unlink(path_of(options.host))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
