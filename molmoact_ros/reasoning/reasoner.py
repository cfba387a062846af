"""The reasoner: a frame and an instruction in, a plan or a named refusal out, whatever the model says."""

import time
from typing import Callable

import numpy as np

from ..runtime.contract import Runtime
from ..runtime.decode import Answer, decode
from ..runtime.grammar import Grammar
from ..types import ActionChunk, DepthTokens, Frame, Plan, Refusal, Trace
from .checkpoint import Manifest
from .parser import MalformedAnswer, parse
from .vocabulary import UnknownWords, instruction_ids, prompt_ids, prompt_length


class Reasoner:
    """Runs one embedded model. `prepare(image, size)` shrinks a picture as it was done for training."""

    def __init__(self, runtime: Runtime, manifest: Manifest, prepare: Callable, arm_name: str = "fr3"):
        self.runtime, self.manifest, self.prepare, self.arm_name = runtime, manifest, prepare, arm_name
        self.layout = runtime.tokens
        head = prompt_length(self.layout, runtime.image_tokens)
        self.grammar = Grammar(self.layout, manifest.horizon * len(manifest.dims), head)
        self._plans = 0

    def understands(self, instruction: str) -> str:
        """Return "" when the instruction can be spelled, else the reason why not."""
        try:
            instruction_ids(self.layout, instruction)
        except UnknownWords as error:
            return str(error)
        return ""

    def plan(self, frame: Frame, instruction: str, cancelled=lambda: False) -> Plan | Refusal | None:
        """Think about one frame; None when `cancelled` became true on the way."""
        started = time.perf_counter()
        problem = self.understands(instruction)
        if problem:
            return Refusal(frame.stamp_ns, "instruction_not_understood", problem, instruction)
        state = np.append(frame.robot.T_base_ee[:3, 3], frame.robot.gripper_width_m)
        if not np.all(np.isfinite(state)):
            return Refusal(frame.stamp_ns, "robot_state_not_finite", "the robot's state has a NaN", instruction)
        ids = prompt_ids(self.layout, self.runtime.image_tokens, instruction, self.manifest.state.encode(state))
        image = self.prepare(frame.first_image, self.manifest.image_size)
        prepared_ms = (time.perf_counter() - started) * 1e3
        answer = decode(self.runtime, self.grammar, ids, image, cancelled)
        if answer is None:
            return None
        return self._read(frame, instruction, answer, {"prepare": prepared_ms, **answer.latency_ms})

    def _read(self, frame: Frame, instruction: str, answer: Answer, latency: dict) -> Plan | Refusal:
        if answer.empty_trace:
            detail = f"nothing in sight that fits '{instruction}'"
            return Refusal(frame.stamp_ns, "object_not_in_sight", detail, instruction)
        try:
            parts = parse(self.layout, answer.ids, len(self.manifest.dims))
        except MalformedAnswer as error:
            return Refusal(frame.stamp_ns, error.name, str(error), instruction)
        self._plans += 1
        height, width = frame.first_image.shape[:2]
        manifest = self.manifest
        return Plan(
            self._plans,
            instruction,
            DepthTokens(frame.stamp_ns, parts.codes, self.layout.depth_codes, "model"),
            Trace(frame.stamp_ns, parts.trace, (width, height), "model"),
            ActionChunk(
                frame.stamp_ns, manifest.dt_s, manifest.rows(parts.bins), manifest.convention, (self.arm_name,)
            ),
            latency | {"total": sum(latency.values())},
        )
