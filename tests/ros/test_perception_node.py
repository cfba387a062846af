"""The perception and overlay nodes, real rclpy: streams in; frames with tokens, pictures and markers out."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("rclpy")
from molmoact_msgs.msg import DepthTokens, Frame, Plan, RobotState  # noqa: E402
from node_bench import Bench  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from molmoact_ros import types  # noqa: E402
from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.calibration import store  # noqa: E402
from molmoact_ros.geometry import forward_kinematics  # noqa: E402
from molmoact_ros.nodes import convert, qos  # noqa: E402

ROOT = Path(__file__).parents[2]
DOMAIN = 64
SIZE = (320, 240)
MS = 1_000_000
OPTIONS = {"calibration": ROOT / "calibration/sim_fr3.yaml", "depth_model": ROOT / "models/depth_vqvae"}
CAMERA = store.load(OPTIONS["calibration"]).fixed_camera("front")
T_BASE_EE = forward_kinematics(FR3.dh, FR3.T_flange_ee, FR3.home_q)
# A table that comes nearer towards the bottom, with a block of missing readings.
DEPTH = np.tile(np.linspace(1.6, 0.7, SIZE[1], dtype=np.float32)[:, None], (1, SIZE[0]))
DEPTH[100:130, 40:80] = np.nan


class Cell:
    """Streams of a quiet cell, stamped by a counter; depth may lag behind."""

    def __init__(self, bench: Bench, depth_lag_ns: int = 0, K=CAMERA.K):
        self.ns, self.lag_ns, self.K = 10**12, depth_lag_ns, K
        front = "camera/front"
        bench.feed(CameraInfo, f"{front}/color/camera_info", qos.SENSOR, 10, self.info)
        bench.feed(RobotState, "arm/state", qos.STATE, 100, self.state)
        bench.feed(Image, f"{front}/color/image_raw", qos.SENSOR, 10, self.color)
        bench.feed(Image, f"{front}/aligned_depth_to_color/image_raw", qos.SENSOR, 10, self.depth)
        bench.listen(Frame, "perception/frame", qos.EVENT)
        bench.listen(DepthTokens, "perception/depth_tokens", qos.STATE)
        bench.listen(Image, "perception/depth_reconstruction", qos.SENSOR)
        bench.listen(Header, "perception/heartbeat", qos.STATE)

    def info(self):
        return convert.camera_info_to_msg(self.K, *SIZE, self.ns, CAMERA.frame_id)

    def state(self):
        self.ns += 10 * MS
        return convert.robot_state_to_msg(
            types.RobotState(self.ns, FR3.home_q, np.zeros(7), T_BASE_EE, 0.08), at_rest=True
        )

    def color(self):
        return convert.image_to_msg(np.full((*SIZE[::-1], 3), 120, np.uint8), self.picture_ns(), CAMERA.frame_id)

    def depth(self):
        return convert.depth_to_msg(DEPTH, self.picture_ns() - self.lag_ns, CAMERA.frame_id)

    def picture_ns(self) -> int:
        return self.ns - self.ns % (100 * MS)


def test_frames_carry_tokens_robot_and_calibration():
    with Bench("perception", DOMAIN, **OPTIONS) as bench:
        Cell(bench)
        assert bench.wait(lambda: len(bench.heard["perception/frame"]) >= 3, 40)
        assert bench.wait(lambda: bench.heard["perception/depth_reconstruction"], 10)
        assert bench.wait(lambda: len(bench.heard["perception/heartbeat"]) >= 50, 10)
        msg, tokens = bench.last("perception/frame"), bench.last("perception/depth_tokens")
        picture = bench.last("perception/depth_reconstruction")
        times = [t for t, _ in bench.heard["perception/heartbeat"][-50:]]
    frame = convert.frame_from_msg(msg)
    assert np.allclose(frame.T_base_camera, CAMERA.T_mount_camera, atol=1e-6) and np.allclose(frame.K, CAMERA.K)
    assert abs(frame.robot.stamp_ns - frame.stamp_ns) <= 30 * MS and np.allclose(frame.robot.q, FR3.home_q)
    assert np.isnan(frame.depth_m[110, 60]) and frame.depth_m[0, 0] == pytest.approx(1.6, abs=1e-3)
    carried = convert.depth_tokens_from_msg(msg.depth_tokens)
    assert carried.stamp_ns == frame.stamp_ns and carried.codes.shape == (10, 10) and carried.source == "sensor"
    assert tokens.codebook_size == 128 and (picture.width, picture.height) == (320, 320)
    assert np.median(np.diff(times)) < 0.04


def test_unpaired_stamps_and_a_foreign_camera_give_nothing_but_heartbeats():
    for wrong in ({"depth_lag_ns": 30 * MS}, {"K": CAMERA.K * [[1.2, 1, 1], [1, 1.2, 1], [1, 1, 1]]}):
        with Bench("perception", DOMAIN, **OPTIONS) as bench:
            Cell(bench, **wrong)
            assert bench.wait(lambda: len(bench.heard["perception/heartbeat"]) > 100, 40)
            assert not bench.heard["perception/frame"] and not bench.heard["perception/depth_tokens"]


@pytest.mark.parametrize(
    "change, says",
    [
        ({"depth_model": "/nowhere"}, "no weights of the depth VQ-VAE"),
        ({"calibration": "/nowhere.yaml"}, "no calibration at"),
        ({"rate_hz": 1000}, "PerceptionConfig.rate_hz"),
    ],
)
def test_bad_configuration_ends_the_node_in_one_line(change, says):
    bench = Bench("perception", DOMAIN, **(OPTIONS | change))
    with bench:
        code = bench.process.wait(40)
        _, said = bench.end()
    lines = [line for line in said.splitlines() if "error:" in line]
    assert code == 1 and len(lines) == 1 and says in lines[0] and "Traceback" not in said


TRACE_COLOUR = (255, 220, 0)


def test_overlay_draws_frame_trace_and_markers():
    trace = types.Trace(0, [[128, 100], [120, 150], [100, 200]], SIZE, "model")
    chunk = types.ActionChunk(0, 0.2, np.tile([0.5, 0.1, 0.2, np.pi, 0, 0, 1.0], (8, 1)), "absolute_base")
    tokens = types.DepthTokens(0, np.arange(100).reshape(10, 10), 128, "sensor")
    robot = types.RobotState(0, FR3.home_q, np.zeros(7), T_BASE_EE, 0.08)
    image = np.full((*SIZE[::-1], 3), 120, np.uint8)
    frame = types.Frame(0, {"front": image}, DEPTH, CAMERA.K, CAMERA.T_mount_camera, robot)
    plan = types.Plan(1, "pick up the red cube", tokens, trace, chunk, {"total": 1.0})
    with Bench("overlay", DOMAIN) as bench:
        bench.listen(Image, "overlay/image", qos.SENSOR)
        bench.listen(MarkerArray, "overlay/markers", qos.STATE)
        bench.feed(Frame, "perception/frame", qos.EVENT, 5, lambda: convert.frame_to_msg(frame, tokens))
        bench.feed(Plan, "reasoning/plan", qos.EVENT, 2, lambda: convert.plan_to_msg(plan))

        def shown():
            last = bench.last("overlay/markers")
            if not last or not bench.last("overlay/image"):
                return False
            drawn = (convert.image_from_msg(bench.last("overlay/image")) == TRACE_COLOUR).all(2).sum() > 50
            return drawn and {m.ns for m in last.markers if m.action == Marker.ADD} == {"trace", "chunk"}

        assert bench.wait(shown, 30)
        markers, picture = bench.last("overlay/markers"), convert.image_from_msg(bench.last("overlay/image"))
    assert {m.header.frame_id for m in markers.markers} == {"base"}
    assert len(next(m for m in markers.markers if m.ns == "chunk").points) == 9
    assert picture.shape == (480, 832, 3)
