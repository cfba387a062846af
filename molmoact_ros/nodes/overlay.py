"""`overlay`: the operator's picture and markers, drawn from what the cell publishes. Drives nothing."""

from collections import deque

import numpy as np
from molmoact_msgs.msg import Frame, Plan, RobotState, SafetyStatus
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from .. import types
from ..perception import overlay
from ..perception.config import OverlayConfig
from ..perception.trace_lift import chunk_positions, lift_trace
from . import qos
from .convert import depth_tokens_from_msg, frame_from_msg, image_from_msg, image_to_msg, plan_from_msg, stamp_ns
from .markers import marker_array
from .newest import NewestWins
from .shell import CellNode, run

STATES = {0: "DISARMED", 1: "ACTIVE", 2: "HOLDING", 3: "STOPPED"}
PATH_PERIOD_NS = 50_000_000


class OverlayNode(CellNode):
    """Keeps the newest of everything; a new frame makes a new picture, in a worker."""

    CONFIG = OverlayConfig
    _worker = None

    def configure(self, config: OverlayConfig) -> None:
        """Connect."""
        self._config = config
        self._plan: types.Plan | None = None
        self._refusal, self._status, self._reconstruction = "", None, None
        self._path = deque(maxlen=int(config.path_s * 1e9 / PATH_PERIOD_NS))
        self._images = self.output(Image, "overlay/image", qos.SENSOR)
        self._markers = self.output(MarkerArray, "overlay/markers", qos.STATE)
        self._worker = NewestWins(self._draw, self.fail, 1.0 / config.rate_hz, "drawing")
        self.input(Frame, "perception/frame", self._take_frame, qos.SENSOR)
        self.input(Image, "perception/depth_reconstruction", self._take_reconstruction, qos.SENSOR)
        self.input(Plan, "reasoning/plan", self._take_plan, qos.EVENT)
        self.input(RobotState, "arm/state", self._take_robot, qos.STATE)
        self.input(SafetyStatus, "safety/status", self._take_status, qos.STATE)

    def close(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _take_frame(self, msg: Frame) -> None:
        tokens = depth_tokens_from_msg(msg.depth_tokens) if msg.depth_tokens.codes else None
        self._worker.put((frame_from_msg(msg), tokens, msg.header))

    def _take_reconstruction(self, msg: Image) -> None:
        self._reconstruction = image_from_msg(msg)

    def _take_plan(self, msg: Plan) -> None:
        plan = plan_from_msg(msg)
        if isinstance(plan, types.Refusal):
            self._plan, self._refusal = None, f"{plan.name}: {plan.detail}"
        else:
            self._plan, self._refusal = plan, ""

    def _take_robot(self, msg: RobotState) -> None:
        """Keep the tip's position every 50 ms; a stamp that goes back begins a new path."""
        now_ns = stamp_ns(msg.header)
        if self._path and now_ns < self._path[-1][0]:
            self._path.clear()
        if not self._path or now_ns - self._path[-1][0] >= PATH_PERIOD_NS:
            p = msg.ee.position
            self._path.append((now_ns, (p.x, p.y, p.z)))

    def _take_status(self, msg: SafetyStatus) -> None:
        self._status = msg

    def _draw(self, job) -> None:
        """Worker's thread: one picture and one set of markers of a frame."""
        frame, tokens, header = job
        age_s = 0.0 if self._plan is None else (frame.stamp_ns - self._plan.stamp_ns) * 1e-9
        plan = self._plan if abs(age_s) <= self._config.plan_timeout_s else None
        path = np.array([p for _, p in tuple(self._path)]).reshape(-1, 3)
        trace = None if plan is None else plan.trace
        lines, alarm = self._lines(plan, age_s)
        scene = overlay.Scene(frame, tokens, self._reconstruction, trace, path, lines, alarm)
        picture = overlay.draw(scene, self._config.scale)
        self._images.publish(image_to_msg(picture, frame.stamp_ns, header.frame_id))
        self._markers.publish(marker_array(self._lines_in_space(frame, plan, path), header, self._config.base_frame))

    def _lines(self, plan, age_s: float) -> tuple[tuple[str, ...], bool]:
        """Return what is written into the picture, and whether the last line is an alarm."""
        status = self._status
        state = "no supervisor" if status is None else STATES.get(status.state, f"state {status.state}")
        reason = f" ({status.reason})" if status is not None and status.reason else ""
        instruction = plan.instruction if plan is not None else self._refusal or "no plan"
        age = "" if plan is None else f"plan {plan.plan_id}, {age_s:.1f} s old"
        lines = tuple(line for line in (instruction, age, state + reason) if line)
        return lines, status is None or status.state != SafetyStatus.ACTIVE

    def _lines_in_space(self, frame, plan, path) -> dict:
        lines = {"executed": path, "trace": np.empty((0, 3)), "chunk": np.empty((0, 3))}
        if plan is not None:
            tip = frame.robot.T_base_ee[:3, 3]
            lines["trace"] = lift_trace(plan.trace, frame.depth_m, frame.K, frame.T_base_camera, tip)
            lines["chunk"] = chunk_positions(plan.chunk, tip) if plan.chunk.finite else lines["chunk"]
        return lines


def main(args=None) -> None:
    """Run the node."""
    run(OverlayNode, args)
