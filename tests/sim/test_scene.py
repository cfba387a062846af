"""The scene as it is rendered and stepped: depth, projection, addresses and looks agree with the layout."""

import numpy as np
import pytest

pytestmark = pytest.mark.sim

from molmoact_ros.geometry import lift, project  # noqa: E402
from molmoact_ros.sim.layout import COLOURS, SLOTS, sample_layout, table_number  # noqa: E402
from molmoact_ros.sim.look import CAMERA_M, CAMERA_RAD  # noqa: E402
from molmoact_ros.sim.scene import ARM, compile_model  # noqa: E402
from molmoact_ros.sim.table import ARM_DOFS, FINGER_DOFS, Table  # noqa: E402
from molmoact_ros.sim.world import HOME_TIP, World  # noqa: E402

LAYOUT = sample_layout(3)


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.renderer.close()


def test_the_addresses_are_those_of_the_model(world):
    names = [f"{ARM}fr3_joint{i}" for i in range(1, 8)]
    assert [world.model.joint(n).qposadr[0] for n in names] == list(range(ARM_DOFS.start, ARM_DOFS.stop))
    fingers = [world.model.joint(f"{ARM}finger_joint{i}").qposadr[0] for i in (1, 2)]
    assert fingers == list(range(FINGER_DOFS.start, FINGER_DOFS.stop))
    world.reset(LAYOUT)
    for slot, item in enumerate(LAYOUT.items):
        np.testing.assert_allclose(world.data.body(f"item{slot}").xpos, world.objects()[item.name], atol=1e-9)
        np.testing.assert_allclose(world.objects()[item.name], [item.x, item.y, item.half[2]], atol=1e-9)
        assert abs(np.sin(world.yaws()[item.name] - item.yaw)) < 1e-9
    np.testing.assert_allclose(world.data.body("bowl").xpos[:2], LAYOUT.bowl, atol=1e-9)


def test_an_object_is_seen_where_it_is_in_its_colour(world):
    world.reset(LAYOUT)
    frame = world.frame()
    for item in LAYOUT.items:
        top = np.array([[item.x, item.y, 2 * item.half[2]]])
        u, v = project(top, frame.K, frame.T_base_camera)[0].round().astype(int)
        np.testing.assert_allclose(lift([[u, v]], [frame.depth_m[v, u]], frame.K, frame.T_base_camera), top, atol=0.006)
        pixel, rgb = frame.first_image[v, u] / 255, np.array(COLOURS[item.colour])
        assert np.dot(pixel, rgb) / np.linalg.norm(pixel) / np.linalg.norm(rgb) > 0.9


def test_everything_lies_still_and_the_arm_holds(world):
    for number in (3, 4, table_number(8, "unseen_object"), table_number(9, "distractors")):
        world.reset(sample_layout(number))
        before = world.objects()
        for _ in range(5):
            world.step(HOME_TIP, True, 0.2)
        for name, position in world.objects().items():
            np.testing.assert_allclose(position, before[name], atol=0.004)
        np.testing.assert_allclose(world.robot().T_base_ee[:3, 3], HOME_TIP, atol=0.002)
        assert np.abs(world.robot().dq).max() < 0.01


def test_masses_count_where_the_solver_takes_them_as_constant(world):
    world.reset(LAYOUT)
    for slot, item in enumerate(LAYOUT.items):
        body = world.model.body(f"item{slot}").id
        assert world.model.body_mass[body] == pytest.approx(item.mass_kg)
        assert world.model.dof_M0[world.model.body_dofadr[body]] == pytest.approx(item.mass_kg, rel=1e-6)


def test_a_layout_leaves_nothing_of_the_one_before():
    """Dressing is absolute: whatever lay there before, the same number gives the same model."""
    model, other = compile_model(), compile_model()
    table, direct = Table(model), Table(other)
    for number in (3, table_number(5, "distractors"), 11):
        table.dress(sample_layout(number))
    direct.dress(sample_layout(11))
    for name in (
        "geom_size",
        "geom_rgba",
        "geom_group",
        "geom_contype",
        "body_mass",
        "cam_pos",
        "cam_quat",
        "light_pos",
    ):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name), name)


def test_the_camera_is_bumped_within_the_stated_range():
    model = compile_model()
    nominal, table = model.cam_pos[model.camera("front").id].copy(), Table(model)
    moved = []
    for number in range(50):
        table.dress(sample_layout(number))
        moved.append(model.cam_pos[model.camera("front").id] - nominal)
    assert 0.5 * CAMERA_M < np.abs(moved).max() <= CAMERA_M
    assert CAMERA_RAD <= 0.02 and SLOTS == 6
