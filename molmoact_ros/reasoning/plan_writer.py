"""Put the parts of an answer into nouns: a numbered plan, or a refusal with a name."""

from typing import Mapping

from ..types import ActionChunk, DepthTokens, Frame, Plan, Refusal, Trace
from .answer import Malformed, ParsedAnswer
from .manifest import Manifest


class PlanWriter:
    """Write the plans of one checkpoint for the arms of one cell."""

    def __init__(self, manifest: Manifest, arm_names: tuple[str, ...], codebook_size: int = 128):
        self.manifest, self.arm_names, self.codebook_size = manifest, arm_names, codebook_size
        self._plans = 0

    def write(
        self, frame: Frame, instruction: str, parts: ParsedAnswer | Malformed, latency_ms: Mapping[str, float]
    ) -> Plan | Refusal:
        """Return the plan that follows from `frame`; what is malformed becomes a refusal, never a motion."""
        if isinstance(parts, Malformed):
            return Refusal(frame.stamp_ns, parts.name, parts.detail, instruction)
        self._plans += 1
        height, width = frame.first_image.shape[:2]
        states = self.manifest.states
        rows = self.manifest.rows(parts.bins)
        return Plan(
            self._plans,
            instruction,
            DepthTokens(frame.stamp_ns, parts.codes, self.codebook_size, "model"),
            Trace(frame.stamp_ns, parts.trace, (width, height), "model"),
            ActionChunk(frame.stamp_ns, self.manifest.dt_s, rows, states.action_frame, self.arm_names),
            {**latency_ms, "total": sum(latency_ms.values())},
        )
