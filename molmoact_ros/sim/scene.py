"""The tabletop: FR3 with hand, four coloured cubes of which three are on the table, a front and a wrist camera.

The same MJCF serves training, evaluation and the running cell. Base frame = world frame, table top = plane z = 0.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import mujoco
import numpy as np
from franky_sim.mujoco_simulator import MujocoSimulator

from ..arms.profile import FR3
from ..geometry import rotation_from_rpy

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
CAMERAS = ("front", "wrist")
IMAGE_SIZE = (320, 240)
# RealSense D435 and D405 datasheets: vertical field of view of the 4:3 colour stream.
FOVY_DEG = {"front": 42.5, "wrist": 58.0}
ARM = "robot0_"


@dataclass(frozen=True)
class Layout:
    """One table: cube poses by colour (x, y [m], yaw [rad]), the colours present, and the target's colour."""

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


def apply_layout(model, data, layout: Layout) -> None:
    """Place the cubes of `layout` at rest on the table and park the others out of sight; the arm is not touched."""
    for i, colour in enumerate(COLOURS):
        joint = model.joint(f"{colour}_cube")
        x, y, yaw = layout.cubes.get(colour, (PARKED_XY[0], PARKED_XY[1] + 0.2 * i, 0.0))
        address, dof = joint.qposadr[0], joint.dofadr[0]
        data.qpos[address : address + 7] = [x, y, CUBE_HALF_M, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        data.qvel[dof : dof + 6] = 0.0


def cube_positions(model, data) -> dict:
    """Return colour -> centre (3,) [m] of every cube, from the simulator's true state."""
    return {c: data.qpos[model.joint(f"{c}_cube").qposadr[0] :][:3].copy() for c in COLOURS}


def cube_poses(model, data) -> dict:
    """Return colour -> pose x y z qx qy qz qw of every cube, from the simulator's true state."""
    poses = {}
    for colour in COLOURS:
        x, y, z, qw, qx, qy, qz = data.qpos[model.joint(f"{colour}_cube").qposadr[0] :][:7]
        poses[colour] = np.array([x, y, z, qx, qy, qz, qw])
    return poses


def build_simulator(simulator_class=MujocoSimulator):
    """Build the scene in a franky-sim simulator (not started) and return it with its robot: (simulator, robot)."""
    simulator = simulator_class()
    robot = simulator.add_robot(initial_q=tuple(FR3.home_q), initial_hand_width=FR3.gripper_max_width_m)
    _light_visuals(simulator.scene)
    _table(simulator.scene, simulator.worldbody)
    for i, (colour, rgb) in enumerate(COLOURS.items()):
        _cube(simulator.worldbody, colour, rgb, PARKED_XY + [0.0, 0.2 * i])
    _cameras(simulator.worldbody)
    return simulator, robot


def compile_model() -> mujoco.MjModel:
    """Compile the scene for stepping or rendering without a robot server."""
    simulator, _ = build_simulator()
    model = mujoco.MjModel.from_xml_string(ET.tostring(simulator.scene, encoding="unicode"))
    model.actuator_gainprm[:] = 0.0
    model.actuator_biasprm[:] = 0.0
    return model


def _light_visuals(scene: ET.Element) -> None:
    """Draw links by their collision meshes: a hundredth of the triangles, so that a CPU renders two cameras."""
    for body in scene.iter("body"):
        visuals = [g for g in body.findall("geom") if g.get("class") == "visual"]
        collision = next((g for g in body.findall("geom") if g.get("mesh", "").endswith("_coll")), None)
        if collision is None:
            continue
        for geom in visuals:
            body.remove(geom)
        dark = body.get("name", "").endswith(("link1", "link3", "link5", "link7"))
        shade = "0.25 0.26 0.28 1" if dark else "0.90 0.91 0.93 1"
        ET.SubElement(body, "geom", {"mesh": collision.get("mesh"), "class": "visual", "rgba": shade})
    used = {g.get("mesh") for g in scene.iter("geom")}
    asset = scene.find("asset")
    for mesh in [m for m in asset.findall("mesh") if m.get("name") not in used]:
        asset.remove(mesh)


def _table(scene: ET.Element, worldbody: ET.Element) -> None:
    ground = next(g for g in worldbody.findall("geom") if g.get("name") == "ground")
    ground.attrib.pop("material")
    ground.set("rgba", "0.62 0.56 0.50 1")
    visual = scene.find("visual")
    visual.find("quality").attrib.update(shadowsize="512", offsamples="0")
    visual.find("headlight").attrib.update(ambient="0.35 0.35 0.35", diffuse="0.25 0.25 0.25")
    ET.SubElement(visual, "global", offwidth="640", offheight="480")
    # Clip planes are multiples of the extent; a fixed extent keeps depth the same whatever lies on the table.
    ET.SubElement(visual, "map", znear="0.02", zfar="6")
    ET.SubElement(scene, "statistic", extent="1", center="0.4 0 0.3")
    for light in [x for x in worldbody.findall("light") if x.get("name") != "key_light"]:
        worldbody.remove(light)
    worldbody.find("light").set("castshadow", "true")


def _cube(worldbody: ET.Element, colour: str, rgb, xy) -> None:
    body = ET.SubElement(worldbody, "body", name=f"{colour}_cube", pos=f"{xy[0]} {xy[1]} {CUBE_HALF_M}")
    ET.SubElement(body, "freejoint", name=f"{colour}_cube")
    ET.SubElement(
        body,
        "geom",
        type="box",
        size=" ".join([str(CUBE_HALF_M)] * 3),
        mass="0.05",
        rgba="{} {} {} 1".format(*rgb),
        friction="1.2 0.02 0.001",
        condim="4",
    )


def _look_at(position, target) -> str:
    """Return MuJoCo xyaxes of a camera at `position` that sees `target` with the horizon level."""
    back = np.subtract(position, target) / np.linalg.norm(np.subtract(position, target))
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    return " ".join(f"{v:.6f}" for v in (*right, *np.cross(back, right)))


def _cameras(worldbody: ET.Element) -> None:
    position = (1.02, 0.0, 0.60)
    pose = {"pos": "{} {} {}".format(*position), "xyaxes": _look_at(position, (0.44, 0.0, 0.13))}
    ET.SubElement(worldbody, "camera", name="front", fovy=str(FOVY_DEG["front"]), **pose)
    hand = next(b for b in worldbody.iter("body") if b.get("name") == f"{ARM}hand")
    tilt = rotation_from_rpy([np.pi, 0.25, 0.0]) @ rotation_from_rpy([0, 0, np.pi / 2])
    axes = " ".join(f"{v:.6f}" for v in (*tilt[:, 0], *tilt[:, 1]))
    ET.SubElement(hand, "camera", name="wrist", pos="0.07 0 0.02", xyaxes=axes, fovy=str(FOVY_DEG["wrist"]))
