"""The reasoner: a frame and an instruction in, a plan or a named refusal out, whatever the model says."""

import time
from typing import Callable

import numpy as np

from ..errors import InvalidData
from ..runtime.decode import Answer, Hints, Pace, decode
from ..types import TRACE_RANGE, ActionChunk, DepthTokens, Frame, Plan, Refusal, Trace
from .action_frame import moved_on
from .answer import Malformed
from .continuation import continued, overdue, resumed
from .drafts import Drafts
from .manifest import Manifest
from .plan_writer import PlanWriter, tip_in_image
from .probes import Probe


class Reasoner:
    """Runs one checkpoint. `form` knows its questions and answers (CompactForm or TextForm).

    depth_mode: what the sensor's depth tokens are for. `generate`: nothing, the model writes its own; `draft`: guesses
    that are checked, the answer is the same; `force`: taken as the model's own, where there are any. Tokens of another
    code book than the model's are left out. Not thread-safe: it remembers its last answer.
    """

    def __init__(self, runtime, form, manifest: Manifest, arm_names: tuple[str, ...] = ("fr3",),
                 depth_mode: str = "draft", pace: Pace = Pace()):  # fmt: skip
        self.runtime, self.form, self.manifest = runtime, form, manifest
        self.depth_mode, self.pace = depth_mode, pace
        self._writer = PlanWriter(manifest, arm_names, form.codes)
        self._drafts = Drafts()
        self._last: tuple[str, Answer, Plan] | None = None
        self._answer: Answer | None = None

    @property
    def last_answer(self) -> Answer | None:
        """What the model said last, also where that became a refusal; None before it said anything."""
        return self._answer

    def understands(self, instruction: str) -> str:
        """Return "" when the instruction can be asked, else the reason why not."""
        return self.form.problem(instruction)

    def plan(
        self,
        frame: Frame,
        instruction: str,
        sensor: DepthTokens | None = None,
        executed_until_ns: int | None = None,
        stop: Callable[[], str] = lambda: "",
        heard: Callable[[Trace | ActionChunk], None] | None = None,
    ) -> Plan | Refusal | None:
        """Think about one frame, with the sensor's depth tokens of it.

        executed_until_ns: rows of the last plan that are due by then count as done and become the new plan's first.
        stop: asked between passes; "" goes on, "cancelled" ends in None, anything else in a refusal of that name.
        heard: gets the trace as soon as it is decoded, then the chunk as far as its rows are.
        """
        began = time.perf_counter()
        problem = self.understands(instruction)
        if problem:
            return Refusal(frame.stamp_ns, "instruction_not_understood", problem, instruction)
        question = self.form.question(frame, instruction)
        if isinstance(question, Malformed):
            return self._writer.write(frame, instruction, question)
        if sensor is not None and sensor.codebook_size != self.form.codes:
            sensor = None
        self._begin(frame, instruction, sensor)
        hints = Hints(self._given(frame, sensor, executed_until_ns), self._drafts)
        prepared_ms = (time.perf_counter() - began) * 1e3
        reasons: list[str] = []
        progress = heard and _Progress(self, frame, heard).take
        try:
            answer = decode(
                self.runtime, self.form.grammar, question, hints, self.pace, _asked(stop, reasons), progress
            )
        except InvalidData as error:
            return Refusal(frame.stamp_ns, "not_answered", str(error), instruction)
        if answer is None:
            name = reasons[-1]
            return None if name == "cancelled" else Refusal(frame.stamp_ns, name, "stopped before its end", instruction)
        return self._keep(frame, instruction, answer, prepared_ms)

    def probe(self, probe: Probe) -> Plan | Refusal | None:
        """Answer a probe; its depth codes are a draft, which saves most of the time and changes nothing."""
        return self.plan(probe.frame, probe.instruction, DepthTokens(0, probe.codes, self.form.codes, "sensor"))

    def forget(self) -> None:
        """Make no guesses from what was said before."""
        self._last, self._answer, self._drafts = None, None, Drafts()

    def _keep(self, frame, instruction, answer, prepared_ms) -> Plan | Refusal:
        self._answer = answer
        parts = self.form.read(answer, instruction)
        times = {"prepare": prepared_ms, **answer.latency_ms}
        plan = self._writer.write(frame, instruction, parts, times, answer.costs)
        self._drafts.learn(answer)
        self._last = (instruction, answer, plan) if isinstance(plan, Plan) else None
        return plan

    def _given(self, frame: Frame, sensor: DepthTokens | None, executed_until_ns: int | None) -> dict:
        given = _depth(sensor) if self.depth_mode == "force" and sensor is not None else {}
        if self._last is None or executed_until_ns is None:
            return given
        chunk = self._last[2].chunk
        done = overdue(frame.stamp_ns, chunk.dt_s, len(chunk.actions), executed_until_ns)
        moved = self._moved(chunk, frame)[:done]
        return given | {("action", *at): int(value) for at, value in np.ndenumerate(moved)}

    def _begin(self, frame: Frame, instruction: str, sensor: DepthTokens | None) -> None:
        """Tell the drafts what is known about the answer to come."""
        seen = _depth(sensor) if self.depth_mode == "draft" and sensor is not None else {}
        if self._last is None:
            return self._drafts.begin(seen, {}, None)
        before, answer, plan = self._last
        same = before == instruction
        values = {name: value for name, value in answer.values.items() if name[0] == "depth"}
        if same:
            points = np.rint(resumed(plan.trace.points, tip_in_image(frame))).clip(0, TRACE_RANGE - 1)
            values |= self.form.spell_trace(points)
        self._drafts.begin(seen, values, self._moved(plan.chunk, frame) if same else None)

    def _moved(self, chunk: ActionChunk, frame: Frame) -> np.ndarray:
        """Return the action bins of a chunk that moves as `chunk` does, from a new frame on."""
        rows, stated = continued(chunk, frame.stamp_ns), self.manifest.states.action_frame
        return self.manifest.bins(moved_on(rows, stated, chunk, frame.robot.T_base_ee))


class _Progress:
    """Say what is whole: the trace once, then the chunk whenever it has more rows."""

    def __init__(self, reasoner: Reasoner, frame: Frame, heard):
        self._form, self._manifest, self._writer = reasoner.form, reasoner.manifest, reasoner._writer
        self._frame, self._heard, self._traced, self._rows = frame, heard, False, 0

    def take(self, values) -> None:
        """Look at the values that are known so far."""
        points = None if self._traced else self._form.trace(values)
        if points is not None:
            self._traced = True
            self._heard(self._writer.trace(self._frame, points))
        dims = self._manifest.dims
        rows = sum(name[0] == "action" and name[2] == dims - 1 for name in values if isinstance(name, tuple))
        if self._traced and rows > self._rows:
            self._rows = rows
            bins = [[values["action", row, column] for column in range(dims)] for row in range(rows)]
            self._heard(self._writer.chunk(self._frame, bins))


def _depth(tokens: DepthTokens) -> dict:
    return {("depth", i): int(code) for i, code in enumerate(tokens.codes.ravel())}


def _asked(stop: Callable[[], str], reasons: list[str]) -> Callable[[], bool]:
    def ended() -> bool:
        reasons.append(stop())
        return bool(reasons[-1])

    return ended
