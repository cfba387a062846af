"""Lay a table out in MuJoCo: objects into slots, bowl, camera, light and cloth; and read back where things are.

Every process that holds a copy of the scene (robot server, cameras, training) does the same with the same number.
"""

import mujoco
import numpy as np

from .layout import SLOTS, SOLIDS, Layout

# The scene's joints in order: seven of the arm, two fingers, a free joint (7 positions, 6 speeds) per slot.
ARM_DOFS, FINGER_DOFS = slice(0, 7), slice(7, 9)
_FIRST_ITEM = 9
# An empty slot lies behind the front camera, out of every picture.
_PARKED_XY = np.array([3.0, 0.0])
_PARKED_HALF_M = (0.02, 0.02, 0.02)
_SHOWN, _HIDDEN = 0, 4


class Table:
    """The scene of one model; remembers how the model was compiled, so that layouts follow one another freely."""

    def __init__(self, model):
        self.model, self.layout = model, None
        self._scratch = mujoco.MjData(model)
        self._camera = model.camera("front").id
        self._camera_pose = model.cam_pos[self._camera].copy(), model.cam_quat[self._camera].copy()
        self._light = model.light("key_light").id
        self._light_pos = model.light_pos[self._light].copy()
        self._bowl = model.body("bowl").id
        self._bowl_geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == self._bowl]
        self._ground = model.geom("ground").id
        solids = sorted(set(SOLIDS.values()))
        self._geoms = [{s: model.geom(f"item{i}_{s}").id for s in solids} for i in range(SLOTS)]
        self._bodies = [model.body(f"item{i}").id for i in range(SLOTS)]

    def dress(self, layout: Layout) -> None:
        """Give the model the shapes, masses, colours, camera and light of `layout`; moves nothing that is free."""
        self.layout = layout
        for slot in range(SLOTS):
            item = layout.items[slot] if slot < len(layout.items) else None
            self._show(slot, item)
        self.model.body_pos[self._bowl][:2] = layout.bowl
        self._look(layout.look)
        # masses that the solver and free bodies take as constant
        mujoco.mj_setConst(self.model, self._scratch)

    def lay(self, data, layout: Layout) -> None:
        """Dress the model and place the objects at rest in `data`; the arm is not touched."""
        self.dress(layout)
        for slot in range(SLOTS):
            if slot < len(layout.items):
                item = layout.items[slot]
                place(data, slot, (item.x, item.y, item.half[2]), item.yaw)
            else:
                place(data, slot, (*(_PARKED_XY + [0, 0.2 * slot]), _PARKED_HALF_M[2]), 0.0)

    def _show(self, slot: int, item) -> None:
        """Let one geom of a slot be seen and touched; an empty slot is a parked ball, which touches at one point."""
        solid, half = (SOLIDS[item.shape], item.half) if item else ("sphere", _PARKED_HALF_M)
        model, body = self.model, self._bodies[slot]
        for name, geom in self._geoms[slot].items():
            on = name == solid
            model.geom_contype[geom] = model.geom_conaffinity[geom] = int(on)
            model.geom_group[geom] = _SHOWN if on else _HIDDEN
            model.geom_size[geom] = _size(name, half)
        geom = self._geoms[slot][solid]
        model.geom_rbound[geom] = half[0] if solid == "sphere" else np.linalg.norm(half)
        model.geom_aabb[geom][3:] = half
        mass = item.mass_kg if item else 0.07
        model.body_mass[body] = mass
        square = np.square(half)
        # of a box; for the round shapes close enough at these sizes
        model.body_inertia[body] = mass / 3 * (square.sum() - square)
        for geom in self._geoms[slot].values():
            model.geom_rgba[geom] = (*item.rgb, 1.0) if item else (0.5, 0.5, 0.5, 1.0)
            model.geom_friction[geom][0] = item.friction if item else 1.0

    def _look(self, look) -> None:
        model = self.model
        position, quaternion = self._camera_pose
        model.cam_pos[self._camera] = position + look.camera_m
        angle = np.linalg.norm(look.camera_rad)
        turn = np.append(np.cos(angle / 2), np.asarray(look.camera_rad) / max(angle, 1e-9) * np.sin(angle / 2))
        model.cam_quat[self._camera] = _product(quaternion, turn)
        model.light_pos[self._light] = self._light_pos + [*look.light_xy, 0.0]
        aim = np.array([0.5, 0.0, 0.0]) - model.light_pos[self._light]
        model.light_dir[self._light] = aim / np.linalg.norm(aim)
        model.light_diffuse[self._light] = look.diffuse
        model.vis.headlight.ambient[:] = look.ambient
        model.geom_matid[self._ground] = model.material(f"cloth{look.cloth}").id
        model.mat_rgba[model.geom_matid[self._ground]] = (*look.tint, 1.0)
        for geom in self._bowl_geoms:
            model.geom_rgba[geom] = (*look.bowl, 1.0)


def _size(solid: str, half) -> tuple:
    """Return MuJoCo's size of a solid with these half extents."""
    return {"sphere": (half[0], 0, 0), "cylinder": (half[0], half[2], 0)}.get(solid, half)


def place(data, slot: int, position, yaw: float) -> None:
    """Put the object of a slot at `position` (3,) [m], upright and at rest."""
    data.qpos[_address(slot)] = [*position, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
    data.qvel[_FIRST_ITEM + 6 * slot :][:6] = 0.0


def poses(qpos, layout: Layout) -> dict:
    """Return name -> pose x y z qx qy qz qw of every object of the layout, and of the bowl."""
    found = {}
    for i, item in enumerate(layout.items):
        x, y, z, qw, qx, qy, qz = qpos[_address(i)]
        found[item.name] = np.array([x, y, z, qx, qy, qz, qw])
    return {**found, "bowl": np.array([*layout.bowl, 0, 0, 0, 0, 1.0])}


def _address(slot: int) -> slice:
    return slice(_FIRST_ITEM + 7 * slot, _FIRST_ITEM + 7 * slot + 7)


def _product(one, other) -> np.ndarray:
    """Multiply quaternions in MuJoCo's order (w first)."""
    out = np.zeros(4)
    mujoco.mju_mulQuat(out, np.asarray(one, float), np.asarray(other, float))
    return out


def finger_width_m(qpos) -> float:
    """Return the opening between the fingers [m]."""
    return float(qpos[FINGER_DOFS].sum())


def yaw_of(pose) -> float:
    """Return the turn about z [rad] of a pose x y z qx qy qz qw."""
    qx, qy, qz, qw = pose[3:]
    return float(np.arctan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy**2 + qz**2)))
