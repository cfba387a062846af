"""Put the parts of an answer into nouns: a numbered plan, or a refusal with a name."""

from typing import Mapping

import numpy as np

from ..geometry import project
from ..types import TRACE_RANGE, ActionChunk, DepthTokens, Frame, Plan, Refusal, SectionCost, Trace
from .action_codec import BINS
from .action_frame import to_base
from .answer import Malformed, ParsedAnswer
from .manifest import Manifest


class PlanWriter:
    """Write the plans of one checkpoint for the arms of one cell."""

    def __init__(self, manifest: Manifest, arm_names: tuple[str, ...], codebook_size: int = 128):
        self.manifest, self.arm_names, self.codebook_size = manifest, arm_names, codebook_size
        self._plans = 0

    def write(
        self,
        frame: Frame,
        instruction: str,
        parts: ParsedAnswer | Malformed,
        latency_ms: Mapping[str, float] = {},
        costs: Mapping[str, SectionCost] = {},
    ) -> Plan | Refusal:
        """Return the plan that follows from `frame`; what is malformed becomes a refusal, never a motion."""
        if isinstance(parts, Malformed):
            return Refusal(frame.stamp_ns, parts.name, parts.detail, instruction)
        self._plans += 1
        return Plan(
            self._plans,
            instruction,
            DepthTokens(frame.stamp_ns, _codes(parts), self.codebook_size, "model"),
            self.trace(frame, _points(frame, parts)),
            self.chunk(frame, parts.bins),
            {**latency_ms, "total": sum(latency_ms.values())},
            costs,
        )

    def trace(self, frame: Frame, points) -> Trace:
        """Return the trace of points (n, 2) in 0..255."""
        height, width = frame.first_image.shape[:2]
        return Trace(frame.stamp_ns, points, (width, height), "model")

    def chunk(self, frame: Frame, bins) -> ActionChunk:
        """Return the chunk of action bins (rows, dims); the published last string is a second name of the last bin."""
        rows = self.manifest.rows(np.minimum(bins, BINS - 1))
        rows, convention = to_base(rows, self.manifest.states.action_frame, frame.robot.T_base_ee)
        return ActionChunk(frame.stamp_ns, self.manifest.dt_s, rows, convention, self.arm_names)


def _codes(parts: ParsedAnswer) -> np.ndarray:
    """Return the codes; zeros for a model that says none, which the gate keeps from moving an arm."""
    return np.zeros((10, 10), int) if parts.codes is None else parts.codes


def _points(frame: Frame, parts: ParsedAnswer) -> np.ndarray:
    """Return the trace; the tip alone for a model that says none."""
    if parts.trace is not None:
        return parts.trace
    tip = np.nan_to_num(tip_in_image(frame))
    return np.rint(tip).clip(0, TRACE_RANGE - 1)[None]


def tip_in_image(frame: Frame) -> np.ndarray:
    """Return where the gripper's tip is in the first image, (2,) in 0..255 as a trace has it; NaN behind the camera."""
    pixel = project(frame.robot.T_base_ee[:3, 3], frame.K, frame.T_base_camera)[0]
    height, width = frame.first_image.shape[:2]
    return pixel / [width - 1, height - 1] * (TRACE_RANGE - 1)
