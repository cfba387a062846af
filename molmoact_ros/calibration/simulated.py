"""Calibration of the simulated cell, from the scene itself: `python -m molmoact_ros.calibration.simulated FILE`."""

import sys
from datetime import date

import mujoco

from ..arms.profile import FR3
from ..geometry import forward_kinematics, inverse
from ..sim import scene
from ..sim.render import T_base_camera, intrinsics
from .store import Calibration, CameraCalibration, save

FRAME_ID = "camera_{}_color_optical_frame"


def simulated_calibration() -> Calibration:
    """Measure the front camera in the base frame and the wrist camera in the end-effector frame."""
    model = scene.compile_model()
    data = mujoco.MjData(model)
    for i, angle in enumerate(FR3.home_q):
        data.qpos[model.joint(f"{scene.ARM}fr3_joint{i + 1}").qposadr[0]] = angle
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    T_ee_base = inverse(forward_kinematics(FR3.dh, FR3.T_flange_ee, FR3.home_q))
    T_mount_base = {"front": ("base", None), "wrist": ("ee", T_ee_base)}
    cameras = {}
    for name, (mount, T) in T_mount_base.items():
        pose = T_base_camera(data, name)
        K = intrinsics(model, name, scene.IMAGE_SIZE)
        frame_id = FRAME_ID.format(name)
        cameras[name] = CameraCalibration(frame_id, mount, scene.IMAGE_SIZE, K, pose if T is None else T @ pose)
    return Calibration("sim_fr3", date.today().isoformat(), "read from the simulator's scene", 0.0, "base", cameras)


if __name__ == "__main__":
    save(simulated_calibration(), sys.argv[1])
