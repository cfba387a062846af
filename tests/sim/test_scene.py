"""The scene as it is rendered and stepped: depth, projection and addresses agree."""

import numpy as np
import pytest

pytestmark = pytest.mark.sim

from molmoact_ros.geometry import lift, project  # noqa: E402
from molmoact_ros.sim.layout import ARM_DOFS, COLOURS, CUBE_HALF_M, FINGER_DOFS, cube_positions, sample_layout  # noqa: E402
from molmoact_ros.sim.scene import ARM  # noqa: E402
from molmoact_ros.sim.world import HOME_TIP, World  # noqa: E402

LAYOUT = sample_layout(3)


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.renderer.close()


def test_the_addresses_in_layout_are_those_of_the_model(world):
    names = [f"{ARM}fr3_joint{i}" for i in range(1, 8)]
    assert [world.model.joint(n).qposadr[0] for n in names] == list(range(ARM_DOFS.start, ARM_DOFS.stop))
    fingers = [world.model.joint(f"{ARM}finger_joint{i}").qposadr[0] for i in (1, 2)]
    assert fingers == list(range(FINGER_DOFS.start, FINGER_DOFS.stop))
    world.reset(LAYOUT)
    for colour, position in cube_positions(world.data.qpos).items():
        np.testing.assert_allclose(world.data.body(f"{colour}_cube").xpos, position, atol=1e-9)


def test_a_cube_is_seen_where_it_is_in_its_colour(world):
    world.reset(LAYOUT)
    frame = world.frame()
    for colour, (x, y, _) in LAYOUT.cubes.items():
        top = np.array([[x, y, 2 * CUBE_HALF_M]])
        u, v = project(top, frame.K, frame.T_base_camera)[0].round().astype(int)
        np.testing.assert_allclose(lift([[u, v]], [frame.depth_m[v, u]], frame.K, frame.T_base_camera), top, atol=0.005)
        pixel, rgb = frame.first_image[v, u] / 255, np.array(COLOURS[colour])
        assert np.dot(pixel, rgb) / np.linalg.norm(pixel) / np.linalg.norm(rgb) > 0.95


def test_the_arm_starts_at_home_and_holds_still(world):
    world.reset(LAYOUT)
    for _ in range(3):
        world.step(HOME_TIP, True, 0.2)
    np.testing.assert_allclose(world.robot().T_base_ee[:3, 3], HOME_TIP, atol=0.002)
    assert np.abs(world.robot().dq).max() < 0.01
