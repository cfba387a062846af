"""Put the parts of an answer into nouns: a numbered plan, or a refusal with a name."""

from typing import Mapping

import numpy as np

from ..types import ActionChunk, DepthTokens, Frame, Plan, Refusal, SectionCost, Trace
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
            DepthTokens(frame.stamp_ns, parts.codes, self.codebook_size, "model"),
            self.trace(frame, parts.trace),
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
