"""`perception`: camera streams and the arm's state in, paired frames with depth tokens out, and a heartbeat."""

from molmoact_msgs.msg import DepthTokens, Frame, RobotState
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..calibration import store
from ..perception.config import PerceptionConfig
from ..perception.depth_tokenizer import DepthTokenizer
from ..perception.frame_sync import FrameSync, View
from ..perception.frozen_view import FrozenView
from ..runtime.depth_factory import open_depth_coder
from . import qos
from .convert import (
    depth_from_msg,
    depth_tokens_to_msg,
    frame_to_msg,
    image_from_msg,
    image_to_msg,
    intrinsics_from_msg,
    robot_state_from_msg,
    stamp_ns,
)
from .newest import NewestWins
from .shell import CellNode, run

FRONT, WRIST = "camera/front", "camera/wrist"
HEARTBEAT_PERIOD_S = 0.02


class PerceptionNode(CellNode):
    """Pairs in the executor's thread, encodes in a worker: the heartbeat goes on while the network computes."""

    CONFIG = PerceptionConfig
    _worker = None

    def configure(self, config: PerceptionConfig) -> None:
        """Load calibration and network, then connect."""
        self._camera = store.load(config.calibration).fixed_camera("front")
        self._tokenizer = load_tokenizer(config)
        self._sync = FrameSync(config, View(self._camera.K, self._camera.T_mount_camera))
        self._view = FrozenView(config.frozen_m)
        self._camera_fits, self._pictured_ns, self._count = False, None, 0
        self._picture_period_ns = 1e9 / config.reconstruction_rate_hz if config.reconstruction_rate_hz else None
        self._frames = self.output(Frame, "perception/frame", qos.EVENT)
        self._tokens = self.output(DepthTokens, "perception/depth_tokens", qos.STATE)
        self._pictures = self.output(Image, "perception/depth_reconstruction", qos.SENSOR)
        self._beats = self.output(Header, "perception/heartbeat", qos.STATE)
        self._worker = NewestWins(self._encode, self.fail, 1.0 / config.rate_hz, "encoder")
        self.input(CameraInfo, f"{FRONT}/color/camera_info", self._check_camera, qos.SENSOR)
        self.input(Image, f"{FRONT}/color/image_raw", self._take_color, qos.SENSOR)
        self.input(Image, f"{FRONT}/aligned_depth_to_color/image_raw", self._take_depth, qos.SENSOR)
        self.input(Image, f"{WRIST}/color/image_raw", self._take_wrist, qos.SENSOR)
        self.input(RobotState, "arm/state", self._take_robot, qos.STATE)
        self.every(HEARTBEAT_PERIOD_S, self._beat)
        self.report(problem="no camera_info yet", frames=0)

    def close(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _check_camera(self, msg: CameraInfo) -> None:
        """Let pictures in only while the stream is the camera that was calibrated."""
        fits = self._camera.fits(intrinsics_from_msg(msg), (msg.width, msg.height))
        if fits != self._camera_fits:
            self.report(problem="" if fits else "camera_info does not fit the calibration: calibrate this camera")
        self._camera_fits = fits

    def _take_color(self, msg: Image) -> None:
        if self._camera_fits and (msg.width, msg.height) == self._camera.size:
            self._offer(self._sync.push_color(stamp_ns(msg), image_from_msg(msg)))

    def _take_depth(self, msg: Image) -> None:
        if self._camera_fits and (msg.width, msg.height) == self._camera.size:
            self._offer(self._sync.push_depth(stamp_ns(msg), depth_from_msg(msg)))

    def _take_wrist(self, msg: Image) -> None:
        self._offer(self._sync.push_wrist(stamp_ns(msg), image_from_msg(msg)))

    def _take_robot(self, msg: RobotState) -> None:
        if msg.ready:
            self._offer(self._sync.push_robot(robot_state_from_msg(msg)))

    def _offer(self, frame) -> None:
        if frame is not None:
            self._worker.put(frame)

    def _beat(self) -> None:
        self._beats.publish(Header(stamp=self.get_clock().now().to_msg(), frame_id="perception"))

    def _encode(self, frame) -> None:
        """Worker's thread: tokens, then the frame that carries them, then now and then a picture of the tokens."""
        if self._view.stuck(frame.first_image, frame.robot.T_base_ee[:3, 3]):
            self.report(problem="the camera repeats one picture while the arm moves: look at its cable and driver")
            return
        tokens = self._tokenizer.encode(frame.depth_m, frame.stamp_ns)
        if tokens is None:
            self.report(problem="depth has too few readings: look at the camera")
            return
        frame_id = self._camera.frame_id
        self._tokens.publish(depth_tokens_to_msg(tokens, frame_id))
        self._frames.publish(frame_to_msg(frame, tokens, frame_id))
        self._count += 1
        self.report(problem="", frames=self._count, overtaken=self._worker.dropped)
        if self._picture_is_due(frame.stamp_ns):
            picture = self._tokenizer.reconstruct(tokens)
            self._pictures.publish(image_to_msg(picture, frame.stamp_ns, frame_id))

    def _picture_is_due(self, now_ns: int) -> bool:
        if self._picture_period_ns is None:
            return False
        # A stamp before the last one: the clock was set back.
        due = self._pictured_ns is None or not 0 <= now_ns - self._pictured_ns < self._picture_period_ns
        self._pictured_ns = now_ns if due else self._pictured_ns
        return due


def load_tokenizer(config: PerceptionConfig) -> DepthTokenizer:
    """Load the depth VQ-VAE and join it to the tokenizer. MolmoActError when package or weights are missing."""
    coder = open_depth_coder(config.depth_model, config.threads)
    return DepthTokenizer(
        coder.encode, coder.decode, coder.codebook_size, config.near_m, config.far_m, config.min_valid
    )


def main(args=None) -> None:
    """Run the node."""
    run(PerceptionNode, args)
