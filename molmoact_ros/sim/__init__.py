"""The simulated cell: one MuJoCo scene, rendered, stepped for training, or served over the libfranka protocol."""

import os

# MuJoCo chooses its GL backend when it is imported; EGL renders without a screen and without a GPU.
os.environ.setdefault("MUJOCO_GL", "egl")
