"""The table as data: which cubes lie where, and where the simulator keeps them. NumPy alone.

Base frame = world frame, table top = plane z = 0.
"""

from dataclasses import dataclass

import numpy as np

COLOURS = {
    "red": (0.80, 0.10, 0.10),
    "green": (0.10, 0.60, 0.15),
    "blue": (0.10, 0.20, 0.80),
    "yellow": (0.90, 0.75, 0.08),
}
CUBE_HALF_M = 0.02
CUBES_ON_TABLE = 3
AREA_MIN, AREA_MAX = np.array([0.40, -0.20]), np.array([0.62, 0.20])
MIN_SEPARATION_M = 0.095
MAX_YAW_RAD = 0.25
# An absent cube lies behind the front camera, out of every picture.
PARKED_XY = np.array([3.0, 0.0])
# The scene's joints in order: seven of the arm, two fingers, a free joint (7 positions, 6 speeds) per cube.
ARM_DOFS, FINGER_DOFS = slice(0, 7), slice(7, 9)
_FIRST_CUBE = 9


@dataclass(frozen=True)
class Layout:
    """One table: cube poses by colour (x, y [m], yaw [rad]) of those present, and the target's colour."""

    seed: int
    cubes: dict
    target: str

    @property
    def instruction(self) -> str:
        """The sentence that names the target."""
        return f"pick up the {self.target} cube"


def sample_layout(seed: int) -> Layout:
    """Lay out three of the four cubes at random with room for the fingers, and name one of them the target."""
    rng = np.random.default_rng(seed)
    present = rng.permutation(list(COLOURS))[:CUBES_ON_TABLE]
    while True:
        xy = rng.uniform(AREA_MIN, AREA_MAX, (CUBES_ON_TABLE, 2))
        gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2) + np.eye(CUBES_ON_TABLE)
        if gaps.min() >= MIN_SEPARATION_M:
            break
    yaws = rng.uniform(-MAX_YAW_RAD, MAX_YAW_RAD, CUBES_ON_TABLE)
    cubes = {str(c): (float(x), float(y), float(a)) for c, (x, y), a in zip(present, xy, yaws)}
    return Layout(seed, cubes, str(rng.choice(present)))


def apply_layout(data, layout: Layout) -> None:
    """Place the cubes of `layout` at rest in MuJoCo's `data` and park the others; the arm is not touched."""
    for i, colour in enumerate(COLOURS):
        x, y, yaw = layout.cubes.get(colour, (PARKED_XY[0], PARKED_XY[1] + 0.2 * i, 0.0))
        at = _FIRST_CUBE + 7 * i
        data.qpos[at : at + 7] = [x, y, CUBE_HALF_M, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        data.qvel[_FIRST_CUBE + 6 * i :][:6] = 0.0


def cube_positions(qpos) -> dict:
    """Return colour -> centre (3,) [m] of every cube."""
    return {c: np.array(qpos[_FIRST_CUBE + 7 * i :][:3]) for i, c in enumerate(COLOURS)}


def cube_poses(qpos) -> dict:
    """Return colour -> pose x y z qx qy qz qw of every cube."""
    poses = {}
    for i, colour in enumerate(COLOURS):
        x, y, z, qw, qx, qy, qz = qpos[_FIRST_CUBE + 7 * i :][:7]
        poses[colour] = np.array([x, y, z, qx, qy, qz, qw])
    return poses


def finger_width_m(qpos) -> float:
    """Return the opening between the fingers [m]."""
    return float(qpos[FINGER_DOFS].sum())
