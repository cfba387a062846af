"""Off-screen RGB-D rendering: colour and metric depth of one camera in a single pass."""

import mujoco
import numpy as np

from ..errors import MissingPart
from ..geometry import transform

# MuJoCo cameras look along -z with y up; optical frames look along +z with y down.
_OPTICAL = np.diag([1.0, -1.0, -1.0])


def intrinsics(model, camera: str, size) -> np.ndarray:
    """Return K (3, 3) in pixels of `camera` for an image of `size` (width, height); square pixels, centred."""
    width, height = size
    focal = height / 2 / np.tan(np.radians(model.camera(camera).fovy[0]) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def T_base_camera(data, camera: str) -> np.ndarray:
    """Return the optical frame of `camera` in the base frame for the present state of `data` (after kinematics)."""
    view = data.camera(camera)
    return transform(view.xmat.reshape(3, 3) @ _OPTICAL, view.xpos)


class CameraRenderer:
    """Render cameras of one model; owns a GL context that belongs to the thread that made it."""

    def __init__(self, model, size):
        width, height = size
        self.model, self.data, self.size = model, mujoco.MjData(model), size
        try:
            self._gl = mujoco.GLContext(width, height)
            self._gl.make_current()
        except Exception as error:
            raise MissingPart(
                f"no off-screen OpenGL ({type(error).__name__})",
                "EGL software rendering",
                "Run: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri",
            ) from error
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        # Zero at infinity keeps the float buffer's precision where the table is.
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._option, self._view = mujoco.MjvOption(), mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._rgb = np.empty((height, width, 3), np.uint8)
        self._depth = np.empty((height, width), np.float32)

    def pose(self, qpos) -> None:
        """Move the private copy of the world to `qpos` and compute its kinematics."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def render(self, camera: str) -> tuple[np.ndarray, np.ndarray]:
        """Return (h, w, 3) uint8 RGB and (h, w) float32 depth along the optical axis [m] of the posed world."""
        self._gl.make_current()
        self._view.fixedcamid = self.model.camera(camera).id
        mujoco.mjv_updateScene(
            self.model, self.data, self._option, None, self._view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        mujoco.mjr_readPixels(self._rgb, self._depth, self._viewport, self._context)
        return self._rgb[::-1].copy(), self._metric(self._depth[::-1])

    def _metric(self, z: np.ndarray) -> np.ndarray:
        """Turn MuJoCo's reverse-Z buffer (1 near, 0 far) into metres."""
        extent = self.model.stat.extent
        near, far = self.model.vis.map.znear * extent, self.model.vis.map.zfar * extent
        return (near * far / (near + z * (far - near))).astype(np.float32)

    def close(self) -> None:
        """Free the GL objects; an old context collected later would blacken another one's frames."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()
