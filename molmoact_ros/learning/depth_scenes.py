"""Random pictures of the simulated cell's depth, for training the depth VQ-VAE; a seed gives the same scene always."""

import numpy as np

from ..arms.profile import FR3
from ..geometry import forward_kinematics, rotation_from_rpy, transform
from ..perception.depth_image import InverseDepth, inverse_depth
from ..sim import scene
from ..sim.layout import FIRST_TEST_SEED, sample_layout
from ..sim.render import CameraRenderer
from ..sim.table import ARM_DOFS, FINGER_DOFS, Table, place
from ..sim.world import solve_ik

# The tip's range in training; a little larger than the workspace that the supervisor allows.
TIP_MIN, TIP_MAX = np.array([0.25, -0.40, 0.01]), np.array([0.75, 0.40, 0.60])
GRIPPER_DOWN = np.array([np.pi, 0.0, 0.0])


class DepthScenes:
    """Draw scenes: `scenes.draw(seed)` -> InverseDepth of the front camera."""

    def __init__(self, camera: str = "front"):
        self.camera = camera
        self.model = scene.compile_model()
        self.renderer = CameraRenderer(self.model, scene.IMAGE_SIZE)
        self._table = Table(self.model)
        self._data = type(self.renderer.data)(self.model)

    def draw(self, seed: int) -> InverseDepth:
        """Render the scene of `seed`: a table of a training seed, and an arm at home, at work or carrying an object."""
        rng = np.random.default_rng([seed, 7])
        layout = sample_layout(seed % FIRST_TEST_SEED, 1 + seed // FIRST_TEST_SEED)
        self._table.lay(self._data, layout)
        kind = rng.choice(["home", "anywhere", "near_object", "carrying"], p=[0.1, 0.4, 0.3, 0.2])
        q = self._arm_pose(rng, kind, layout)
        self._data.qpos[ARM_DOFS] = q
        self._data.qpos[FINGER_DOFS] = layout.items[0].half[1] if kind == "carrying" else rng.uniform(0.0, 0.04)
        if kind == "carrying":
            tip = forward_kinematics(FR3.dh, FR3.T_flange_ee, q)[:3, 3]
            place(self._data, 0, tip, rng.uniform(-np.pi, np.pi))
        self.renderer.pose(self._data.qpos)
        _, depth_m = self.renderer.render(self.camera)
        # The camera topic carries whole millimetres.
        return inverse_depth(np.round(depth_m * 1000) / 1000)

    def close(self) -> None:
        """Free the GL context."""
        self.renderer.close()

    def _arm_pose(self, rng, kind: str, layout) -> np.ndarray:
        if kind == "home":
            return FR3.home_q + rng.normal(0, 0.1, 7)
        tip = rng.uniform(TIP_MIN, TIP_MAX)
        if kind == "near_object":
            item = layout.items[int(rng.integers(len(layout.items)))]
            above = 0.02 + 0.08 * abs(rng.normal())
            tip = np.array([item.x, item.y, above]) + np.append(rng.normal(0, 0.03, 2), 0.0)
        rpy = GRIPPER_DOWN + rng.normal(0, 1, 3) * [0.08, 0.08, 0.3]
        target = transform(rotation_from_rpy(rpy), tip)
        return solve_ik(FR3.home_q + rng.normal(0, 0.1, 7), target, iterations=25)
