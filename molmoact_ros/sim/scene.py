"""The tabletop: FR3 with hand, slots for objects, a bowl, a front and a wrist camera.

The same MJCF serves training, evaluation and the running cell; `table.py` lays it out. Base frame = world frame, table
top = plane z = 0.
"""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
from franky_sim.mujoco_simulator import MujocoSimulator

from ..arms.profile import FR3
from ..geometry import rotation_from_rpy
from .layout import SHAPES, SLOTS, SOLIDS
from .look import CLOTHS

CAMERAS = ("front", "wrist")
IMAGE_SIZE = (320, 240)
# RealSense D435 and D405 datasheets: vertical field of view of the 4:3 colour stream.
FOVY_DEG = {"front": 42.5, "wrist": 58.0}
ARM = "robot0_"
FINGERTIP_WIDTH_M = 0.028
BOWL_FLOOR_M, BOWL_RIM_M, BOWL_HEIGHT_M, _BOWL_WALLS = 0.042, 0.062, 0.036, 10
# What the table is covered with: texture and mark, from plain to busy.
_CLOTHS = (("flat", ""), ("checker", ""), ("gradient", ""), ("flat", "random"), ("flat", "cross"))
assert len(_CLOTHS) == CLOTHS
# Four times franky-sim's stiffness: the arm trails its setpoint by 25 ms instead of 100 ms, as a Franka does.
JOINT_KP = (18000.0, 18000.0, 14000.0, 14000.0, 8000.0, 8000.0, 8000.0)
JOINT_KV = (450.0, 450.0, 350.0, 350.0, 200.0, 200.0, 200.0)


def build_simulator(simulator_class=MujocoSimulator):
    """Build the scene in a franky-sim simulator (not started) and return it with its robot: (simulator, robot)."""
    simulator = simulator_class()
    robot = simulator.add_robot(
        initial_q=tuple(FR3.home_q), initial_hand_width=FR3.gripper_max_width_m, kp=JOINT_KP, kv=JOINT_KV
    )
    _light_visuals(simulator.scene)
    _fingertips(simulator.scene)
    _table(simulator.scene, simulator.worldbody)
    for i in range(SLOTS):
        _slot(simulator.worldbody, i)
    _bowl(simulator.worldbody)
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


def _fingertips(scene: ET.Element) -> None:
    """Give the fingers tips as wide as labs print them: the maker's hold round things only 8 mm off the middle."""
    half = f"{FINGERTIP_WIDTH_M / 2} 0.004 0.0085"
    for body in scene.iter("body"):
        if body.get("name", "").endswith(("left_finger", "right_finger")):
            ET.SubElement(body, "geom", type="box", size=half, pos="0 0.004 0.0445", rgba="0.1 0.1 0.1 1")


def _table(scene: ET.Element, worldbody: ET.Element) -> None:
    ground = next(g for g in worldbody.findall("geom") if g.get("name") == "ground")
    ground.set("material", "cloth0")
    for i, (kind, mark) in enumerate(_CLOTHS):
        asset = scene.find("asset")
        pattern = {"builtin": kind, "rgb1": "1 1 1", "rgb2": "0.82 0.82 0.82", "width": "256", "height": "256"}
        marked = {"mark": mark, "markrgb": "0.7 0.7 0.7", "random": "0.02"} if mark else {}
        ET.SubElement(asset, "texture", name=f"cloth{i}", type="2d", **pattern, **marked)
        repeat = {"texrepeat": "6 6", "texuniform": "true", "reflectance": "0"}
        ET.SubElement(asset, "material", name=f"cloth{i}", texture=f"cloth{i}", **repeat)
    # what the fingers hold must not creep out of them
    scene.find("option").set("impratio", "5")
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


def _slot(worldbody: ET.Element, index: int) -> None:
    """Add a free body that can be any shape: one geom of each solid, of which the layout shows one."""
    body = ET.SubElement(worldbody, "body", name=f"item{index}", pos=f"3 {0.2 * index} 0.02")
    ET.SubElement(body, "freejoint", name=f"item{index}")
    half = " ".join(str(v) for v in SHAPES["cube"])
    common = {"size": half, "mass": "0.0175", "friction": "1.2 0.02 0.002"}
    for solid in sorted(set(SOLIDS.values())):
        # rolling friction stops what is round within a few diameters, as cloth does
        condim = "4" if solid == "box" else "6"
        ET.SubElement(body, "geom", name=f"item{index}_{solid}", type=solid, condim=condim, **common)


def _bowl(worldbody: ET.Element) -> None:
    """Add the bowl: a floor and a ring of leaning walls, fixed to the table where the layout says."""
    body = ET.SubElement(worldbody, "body", name="bowl", pos="3 -0.4 0")
    surface = {"friction": "0.8 0.02 0.002", "condim": "4"}
    floor = f"{BOWL_FLOOR_M} 0.002"
    ET.SubElement(body, "geom", name="bowl_floor", type="cylinder", size=floor, pos="0 0 0.002", **surface)
    half_width = BOWL_RIM_M * np.tan(np.pi / _BOWL_WALLS) * 1.05
    middle = (BOWL_FLOOR_M + BOWL_RIM_M) / 2
    lean = np.arctan2(BOWL_RIM_M - BOWL_FLOOR_M, BOWL_HEIGHT_M)
    for i in range(_BOWL_WALLS):
        angle = 2 * np.pi * i / _BOWL_WALLS
        turn = rotation_from_rpy([0, 0, angle]) @ rotation_from_rpy([0, lean, 0])
        at = middle * np.array([np.cos(angle), np.sin(angle), 0]) + [0, 0, BOWL_HEIGHT_M / 2]
        axes = " ".join(f"{v:.6f}" for v in (*turn[:, 0], *turn[:, 1]))
        size = f"0.002 {half_width:.4f} {BOWL_HEIGHT_M / 2 / np.cos(lean):.4f}"
        pose = {"pos": " ".join(f"{v:.6f}" for v in at), "xyaxes": axes}
        ET.SubElement(body, "geom", name=f"bowl_wall{i}", type="box", size=size, **pose, **surface)


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
