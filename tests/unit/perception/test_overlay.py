"""The operator's picture and the trace in space, on a synthetic view of a table."""

import numpy as np
import pytest

from molmoact_ros.geometry import project, transform
from molmoact_ros.perception import overlay
from molmoact_ros.perception.trace_lift import chunk_positions, depth_near, lift_trace
from molmoact_ros.types import ActionChunk, DepthTokens, Frame, RobotState, Trace

K = np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
# Straight down from 1 m above the point (0.5, 0): image right = -y, image down = -x.
T_BASE_CAMERA = transform(np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1.0]]), [0.5, 0, 1.0])
SIZE = (320, 240)


def view(depth=None, tip=(0.5, 0.0, 0.2)) -> Frame:
    depth = np.full((240, 320), 1.0, np.float32) if depth is None else depth
    robot = RobotState(0, np.zeros(7), np.zeros(7), transform(t=tip), 0.08)
    return Frame(0, {"front": np.full((240, 320, 3), 90, np.uint8)}, depth, K, T_BASE_CAMERA, robot)


def trace_of(points) -> Trace:
    pixels = project(np.asarray(points), K, T_BASE_CAMERA)
    return Trace(0, pixels / (np.array(SIZE) - 1) * 255, SIZE, "model")


def test_a_trace_on_the_table_lifts_to_itself():
    points = [[0.5, 0.0, 0.0], [0.45, 0.1, 0.0], [0.4, 0.2, 0.0]]
    frame = view()
    lifted = lift_trace(trace_of(points), frame.depth_m, K, T_BASE_CAMERA)
    assert np.allclose(lifted, points, atol=1e-6)


def test_the_first_point_takes_the_tip_depth_when_the_tip_is_on_its_ray():
    tip = np.array([0.5, 0.0, 0.2])
    frame = view(tip=tip)
    trace = trace_of([tip, [0.45, 0.1, 0.0]])
    assert np.allclose(lift_trace(trace, frame.depth_m, K, T_BASE_CAMERA, tip)[0], tip, atol=1e-6)
    elsewhere = lift_trace(trace, frame.depth_m, K, T_BASE_CAMERA, tip + [0, 0.3, 0])
    assert elsewhere[0, 2] == pytest.approx(0.0, abs=1e-6)


def test_depth_prefers_the_nearer_surface_bridges_holes_and_owns_up():
    depth = np.full((60, 60), 1.0)
    depth[:, 30:] = 0.9
    assert depth_near(depth, (30, 30)) == pytest.approx(0.9)
    depth[25:36, 25:36] = np.nan
    assert np.isfinite(depth_near(depth, (30, 30)))
    assert np.isnan(depth_near(np.zeros((60, 60)), (30, 30)))


def test_points_without_depth_are_left_out():
    frame = view(depth=np.full((240, 320), np.nan, np.float32))
    assert lift_trace(trace_of([[0.5, 0, 0], [0.4, 0, 0]]), frame.depth_m, K, T_BASE_CAMERA).shape == (0, 3)


@pytest.mark.parametrize("convention, last", [("absolute_base", [0.2, 0, 0]), ("delta_base", [0.8, 0, 0.2])])
def test_chunk_positions_start_at_the_tip(convention, last):
    actions = np.zeros((2, 7))
    actions[:, 0] = [0.1, 0.2]
    positions = chunk_positions(ActionChunk(0, 0.2, actions, convention), [0.5, 0, 0.2])
    assert np.allclose(positions[0], [0.5, 0, 0.2]) and np.allclose(positions[-1], last)


def test_trace_path_and_tokens_are_drawn_where_they_belong():
    trace = trace_of([[0.5, 0.0, 0.0], [0.4, 0.2, 0.0]])
    path = np.array([[0.6, -0.2, 0.0], [0.6, 0.2, 0.0]])
    tokens = DepthTokens(0, np.arange(100).reshape(10, 10), 128, "sensor")
    scene = overlay.Scene(view(), tokens, np.zeros((320, 320), np.uint8), trace, path, ("pick up the red cube",))
    picture = overlay.draw(scene, scale=2)
    assert picture.shape == (480, 640 + 192, 3) and picture.dtype == np.uint8
    middle = project(path, K, T_BASE_CAMERA).mean(0)
    for point, colour in ((trace.pixels()[0], overlay.YELLOW), (middle, overlay.CYAN)):
        u, v = np.round(point * 2 + 0.5).astype(int)
        assert np.abs(picture[v, u].astype(int) - colour).max() < 60


def test_a_bare_frame_and_points_behind_the_camera_are_drawn_too():
    path = np.array([[0.5, 0, 2.0], [0.5, 0, 0.0], [np.nan, 0, 0]])
    assert overlay.draw(overlay.Scene(view(np.zeros((240, 320))), path=path), scale=1).shape == (240, 416, 3)
