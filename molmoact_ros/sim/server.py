"""The simulated robot: the scene behind the real libfranka protocol (franky-sim), with corrections.

The measured end-effector pose is a copy (upstream's is overwritten by the desired one), the loop keeps an absolute
1 kHz deadline and waits for a moving client, and external forces come from contacts (upstream reports joint torques).
"""

import argparse
import ctypes
import os
import select
import signal
import sys
import time

import mujoco
import numpy as np
from franky_sim.mujoco_simulator import FrankaMujocoRobot, MujocoSimulator
from franky_sim.simulation_server import SimulationServer

from ..arms.profile import FR3
from ..errors import MissingPart, MolmoActError
from ..geometry import forward_kinematics, jacobian
from .layout import apply_layout, sample_layout
from .scene import ARM, build_simulator
from .shared_world import SharedWorld, path_of

TICK_S = 0.001
ROBOT_PORT, GRIPPER_PORT = 1337, 1338
# Contacts change slowly against a tick; looking every 10 ms keeps the loop at 1 kHz.
CONTACT_TICKS = 10
# A client that is silent for longer is taken for dead, and the arm goes on to its last setpoint.
CLIENT_PATIENCE_S = 0.05
FACTOR_WINDOW = 1000


class CellRobot(FrankaMujocoRobot):
    """franky-sim's robot with a true end-effector pose and the contacts' force in its state."""

    external = np.zeros(6)
    external_torque = np.zeros(7)

    def kinematics(self, q):
        """Return the tip's pose as a copy; upstream returns a view that the next call overwrites."""
        return super().kinematics(q).copy()

    @property
    def state(self):
        """Robot state with the external wrench at the tip (base axes) and the joint torques it causes."""
        wrench = tuple(self.external)
        return super().state.replace(
            O_F_ext_hat_K=wrench, K_F_ext_hat_K=wrench, tau_ext_hat_filtered=tuple(self.external_torque)
        )


class CellSimulator(MujocoSimulator):
    """franky-sim's simulator with CellRobots."""

    def add_robot(self, **options):
        """Add a robot; upstream offers no hook for the class of its robots."""
        robot = super().add_robot(**options)
        robot.__class__ = CellRobot
        # A robot knows the derivatives of its setpoint exactly. Upstream smooths the velocity over 20 ms and takes the
        # acceleration from the measured speed; a motion that takes over from another one then starts from neither.
        parts = robot._tracked_state_components
        for name in ("q_d", "dq_d"):
            parts[name].observers["fd"]._alpha = 0.0
        acceleration = parts["dq_d"].observers["fd"]
        parts["ddq_d"]._TrackedStateComponent__default_value = lambda *_: acceleration.last_derivative.copy()
        return robot


class ContactForces:
    """External wrench at the tip, from the simulator's contacts between the arm and anything else."""

    def __init__(self, model, data):
        self.model, self.data = model, data
        names = [model.body(model.geom_bodyid[g]).name for g in range(model.ngeom)]
        self.of_arm = np.array([n.startswith(ARM) for n in names])
        self.force = np.zeros(6)

    def wrench(self, tip) -> np.ndarray:
        """Return force [N] and torque [Nm] on the arm at `tip` (3,), in base axes."""
        total = np.zeros(6)
        for i in range(self.data.ncon):
            contact = self.data.contact[i]
            first, second = self.of_arm[contact.geom1], self.of_arm[contact.geom2]
            if first == second:
                continue
            mujoco.mj_contactForce(self.model, self.data, i, self.force)
            # The contact frame's first row is the normal from geom1 to geom2; the force acts on geom2.
            world = contact.frame.reshape(3, 3).T @ self.force[:3] * (1 if second else -1)
            total[:3] += world
            total[3:] += np.cross(contact.pos - tip, world)
        return total


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
            super().init()
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
        apply_layout(data, sample_layout(self.seed))
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
            if server.current_motion_id:
                select.select([server._FrankaServer__udp_socket], [], [], CLIENT_PATIENCE_S)

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
        q = self.simulator.data.qpos[:7]
        tip = forward_kinematics(FR3.dh, FR3.T_flange_ee, q)[:3, 3]
        wrench = self.contacts.wrench(tip)
        self.robot.external = wrench
        touched = np.any(wrench)
        self.robot.external_torque = jacobian(FR3.dh, FR3.T_flange_ee, q).T @ wrench if touched else np.zeros(7)

    def _lay_out(self) -> None:
        wanted = self.world.wanted_layout()
        if wanted is not None:
            ticket, self.seed = wanted
            apply_layout(self.simulator.data, sample_layout(self.seed))
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
