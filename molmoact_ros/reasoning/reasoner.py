"""The reasoner of embedded models: a frame and an instruction in, a plan or a named refusal out, whatever it says."""

import time
from typing import Callable

import numpy as np

from ..runtime.contract import Runtime
from ..runtime.decode import decode
from ..runtime.grammar import Grammar
from ..types import Frame, Plan, Refusal
from .manifest import Manifest
from .plan_writer import PlanWriter
from .probes import Probe
from .token_parser import parse
from .vocabulary import UnknownWords, depth_ids, instruction_ids, prompt_ids, prompt_length


class Reasoner:
    """Runs one embedded model. `prepare(image, size)` shrinks a picture as it was done for training."""

    def __init__(self, runtime: Runtime, manifest: Manifest, prepare: Callable, arm_name: str = "fr3"):
        self.runtime, self.manifest, self.prepare = runtime, manifest, prepare
        self.layout = runtime.tokens
        head = prompt_length(self.layout, runtime.image_tokens)
        self.grammar = Grammar(self.layout, manifest.states.horizon * manifest.dims, head)
        self._writer = PlanWriter(manifest, (arm_name,), self.layout.depth_codes)

    def understands(self, instruction: str) -> str:
        """Return "" when the instruction can be spelled, else the reason why not."""
        try:
            instruction_ids(self.layout, instruction)
        except UnknownWords as error:
            return str(error)
        return ""

    def plan(self, frame: Frame, instruction: str, cancelled=lambda: False) -> Plan | Refusal | None:
        """Think about one frame; None when `cancelled` became true on the way."""
        return self._plan(frame, instruction, cancelled, ())

    def probe(self, probe: Probe) -> Plan | Refusal | None:
        """Answer a probe with its own depth codes taken as given, which saves most of the time."""
        return self._plan(probe.frame, probe.instruction, lambda: False, depth_ids(self.layout, probe.codes))

    def _plan(self, frame: Frame, instruction: str, cancelled, given) -> Plan | Refusal | None:
        started = time.perf_counter()
        problem = self.understands(instruction)
        if problem:
            return Refusal(frame.stamp_ns, "instruction_not_understood", problem, instruction)
        state = np.append(frame.robot.T_base_ee[:3, 3], frame.robot.gripper_width_m)
        if not np.all(np.isfinite(state)):
            return Refusal(frame.stamp_ns, "robot_state_not_finite", "the robot's state has a NaN", instruction)
        spelled = self.manifest.state_codec.encode(state)
        ids = prompt_ids(self.layout, self.runtime.image_tokens, instruction, spelled)
        image = self.prepare(frame.first_image, self.manifest.image_size)
        prepared_ms = (time.perf_counter() - started) * 1e3
        answer = decode(self.runtime, self.grammar, ids, image, cancelled, given)
        if answer is None:
            return None
        if answer.empty_trace:
            detail = f"nothing in sight that fits '{instruction}'"
            return Refusal(frame.stamp_ns, "object_not_in_sight", detail, instruction)
        parts = parse(self.layout, answer.ids, self.manifest.dims)
        return self._writer.write(frame, instruction, parts, {"prepare": prepared_ms, **answer.latency_ms})
