"""The scene without a robot server: stepped as fast as the machine can, for demonstrations and offline evaluation."""

import mujoco
import numpy as np

from ..arms.profile import FR3
from ..geometry import forward_kinematics, jacobian, rotation_vector, transform
from ..types import Frame, RobotState
from .render import CameraRenderer, T_base_camera, intrinsics
from .scene import ARM, IMAGE_SIZE, compile_model
from .table import FINGER_DOFS, Table, finger_width_m, place, poses, yaw_of

TIMESTEP_S = 0.002
DOWN = np.diag([1.0, -1.0, -1.0])
HOME_TIP = forward_kinematics(FR3.dh, FR3.T_flange_ee, FR3.home_q)[:3, 3]
# franky-sim's joint and finger gains; the same law moves the served robot.
_KP = np.array([4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0])
_KV = _KP / 10
_FINGER_KP, _FINGER_KV, _FINGER_FORCE_N, _FINGER_SPEED = 1000.0, 50.0, 40.0, 0.05


def solve_ik(q, T_target, iterations: int = 8) -> np.ndarray:
    """Return joint angles near q (7,) that put the tip at T_target (4, 4), by damped least squares."""
    q = np.array(q, float)
    for _ in range(iterations):
        T = forward_kinematics(FR3.dh, FR3.T_flange_ee, q)
        error = np.concatenate([T_target[:3, 3] - T[:3, 3], rotation_vector(T_target[:3, :3] @ T[:3, :3].T)])
        if np.abs(error).max() < 1e-4:
            break
        J = jacobian(FR3.dh, FR3.T_flange_ee, q)
        pull = J.T @ np.linalg.solve(J @ J.T + 1e-4 * np.eye(6), error)
        q = np.clip(q + np.clip(pull, -0.3, 0.3), FR3.q_min, FR3.q_max)
    return q


class World:
    """One simulated cell for one process."""

    def __init__(self, render: bool = True):
        self.model = compile_model()
        self.model.opt.timestep = TIMESTEP_S
        # Damping in the model is integrated implicitly and stays stable at this step.
        self.model.dof_damping[:7] = _KV
        self.data = mujoco.MjData(self.model)
        self.fingers = [self.model.joint(f"{ARM}finger_joint{i}") for i in (1, 2)]
        self.renderer = CameraRenderer(self.model, IMAGE_SIZE) if render else None
        self.table = Table(self.model)
        self.q_goal, self.tip_goal, self.open = FR3.home_q.copy(), HOME_TIP, True

    def reset(self, layout, tip=HOME_TIP, width_m: float = FR3.gripper_max_width_m) -> None:
        """Lay out the table and put the arm's tip at `tip` (3,) pointing down, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self.table.lay(self.data, layout)
        self.tip_goal = np.array(tip, float)
        self.q_goal = solve_ik(FR3.home_q, transform(DOWN, tip), iterations=30)
        self.data.qpos[:7] = self.q_goal
        self.data.qpos[FINGER_DOFS] = width_m / 2
        self.open = width_m > FR3.gripper_max_width_m / 2
        mujoco.mj_forward(self.model, self.data)

    def step(self, tip, opened: bool, duration_s: float, lag_s: float = 0.0) -> None:
        """Move the setpoint evenly to `tip` (3,) within `duration_s`; `lag_s` is how far the arm trails it."""
        start, goal = self.q_goal, solve_ik(self.q_goal, transform(DOWN, tip))
        self.open = bool(opened)
        for fraction in np.linspace(0, 1, round(duration_s / TIMESTEP_S) + 1)[1:]:
            self._drive(start + fraction * (goal - start) - lag_s * (goal - start) / duration_s)
            mujoco.mj_step(self.model, self.data)
        self.q_goal, self.tip_goal = goal, np.array(tip, float)

    def _drive(self, q_goal) -> None:
        data = self.data
        data.qfrc_applied[:7] = _KP * (q_goal - data.qpos[:7]) + data.qfrc_bias[:7]
        width = FR3.gripper_max_width_m if self.open else 0.0
        for finger in self.fingers:
            position, speed = data.qpos[finger.qposadr[0]], data.qvel[finger.dofadr[0]]
            force = _FINGER_KP * (width / 2 - position) - _FINGER_KV * speed
            if abs(speed) > _FINGER_SPEED and np.sign(speed) == np.sign(force):
                force = -_FINGER_KV * speed
            data.qfrc_applied[finger.dofadr[0]] = np.clip(force, -_FINGER_FORCE_N, _FINGER_FORCE_N)

    @property
    def width_m(self) -> float:
        """Opening between the fingers [m]."""
        return finger_width_m(self.data.qpos)

    def robot(self, stamp_ns: int = 0) -> RobotState:
        """Return the arm's true state."""
        q = self.data.qpos[:7].copy()
        T = forward_kinematics(FR3.dh, FR3.T_flange_ee, q)
        return RobotState(stamp_ns, q, self.data.qvel[:7].copy(), T, self.width_m)

    def put(self, name: str, position, yaw: float) -> None:
        """Move an object: centre at `position` (3,) [m], upright, at rest."""
        slot = [item.name for item in self.table.layout.items].index(name)
        place(self.data, slot, position, yaw)
        mujoco.mj_forward(self.model, self.data)

    def objects(self) -> dict:
        """Return name -> centre (3,) [m] of every object, and of the bowl."""
        return {name: pose[:3] for name, pose in poses(self.data.qpos, self.table.layout).items()}

    def yaws(self) -> dict:
        """Return name -> turn about z [rad] of every object."""
        return {name: yaw_of(pose) for name, pose in poses(self.data.qpos, self.table.layout).items()}

    def frame(self, stamp_ns: int = 0, cameras=("front",)) -> Frame:
        """Render what the cell would see now."""
        self.renderer.pose(self.data.qpos)
        shots = {name: self.renderer.render(name) for name in cameras}
        return Frame(
            stamp_ns,
            {name: rgb for name, (rgb, _) in shots.items()},
            shots[cameras[0]][1],
            intrinsics(self.model, cameras[0], IMAGE_SIZE),
            T_base_camera(self.renderer.data, cameras[0]),
            self.robot(stamp_ns),
        )
