"""Arm profiles. Numbers: Franka Research 3 datasheet, robot and interface specifications (control parameters)."""

import numpy as np

from ..geometry import rotation_from_rpy, transform
from ..types import ArmProfile

# Modified DH rows a, d, alpha (Franka documentation, "Denavit-Hartenberg parameters"); joints 1..7, then the flange.
_FR3_DH = np.array(
    [
        [0.0, 0.333, 0.0],
        [0.0, 0.0, -np.pi / 2],
        [0.0, 0.316, np.pi / 2],
        [0.0825, 0.0, np.pi / 2],
        [-0.0825, 0.384, -np.pi / 2],
        [0.0, 0.0, np.pi / 2],
        [0.088, 0.0, np.pi / 2],
        [0.0, 0.107, 0.0],
    ]
)

FR3 = ArmProfile(
    name="fr3",
    joint_names=tuple(f"fr3_joint{i}" for i in range(1, 8)),
    q_min=[-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159],
    q_max=[2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159],
    dq_max=[2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26],
    # "Limits for Franka Research 3", joint velocity limits that depend on the position.
    dq_near=[
        [0.30, 12.0, -2.75010, 2.75010],
        [0.20, 5.17, -1.79180, 1.79180],
        [0.20, 7.00, -2.90650, 2.90650],
        [0.30, 8.00, -3.04810, -0.14580],
        [0.35, 34.0, -2.81010, 2.81010],
        [0.35, 11.0, 0.54092, 4.52050],
        [0.35, 34.0, -3.01960, 3.01960],
    ],
    ddq_max=[10.0] * 7,
    dddq_max=[5000.0] * 7,
    dh=_FR3_DH,
    T_flange_ee=transform(rotation_from_rpy([0.0, 0.0, -np.pi / 4]), [0.0, 0.0, 0.1034]),
    home_q=[0.0, -0.5999, 0.0, -2.6135, 0.0, 2.0136, 0.7854],
    gripper_max_width_m=0.08,
    reach_m=0.855,
    tip_speed_max=3.0,
    tip_turn_max=2.5,
)
