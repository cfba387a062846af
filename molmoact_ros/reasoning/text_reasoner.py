"""The reasoner of published models: camera images and a question in, a text out, read strictly."""

from ..errors import InvalidData
from ..runtime.contract import TextAnswer, TextRuntime
from ..types import Frame, Plan, Refusal
from .manifest import Manifest
from .plan_writer import PlanWriter
from .probes import Probe
from .prompts import prompt_text, template_for, tidy_instruction
from .text_parser import AnswerForm, read_text

# About 230 tokens of depth, trace and words around them; an action value has 2 to 4 and its comma (spec section 3.3).
_TOKENS_AROUND, _TOKENS_PER_VALUE = 230, 5


class TextReasoner:
    """Runs one published model."""

    def __init__(self, runtime: TextRuntime, manifest: Manifest, arm_names: tuple[str, ...] = ("fr3",)):
        self.runtime, self.manifest = runtime, manifest
        self.form = AnswerForm(manifest.states.horizon, manifest.dims)
        self.most_tokens = _TOKENS_AROUND + _TOKENS_PER_VALUE * self.form.horizon * self.form.dims
        self._writer = PlanWriter(manifest, arm_names, self.form.depth_codes)

    def understands(self, instruction: str) -> str:
        """Return "" when the instruction is plain words, else the reason why not."""
        return self.runtime.check(instruction) if tidy_instruction(instruction) else "an empty instruction"

    def plan(self, frame: Frame, instruction: str, cancelled=lambda: False) -> Plan | Refusal | None:
        """Think about one frame; None when `cancelled` became true on the way."""
        problem = self.understands(instruction)
        if problem:
            return Refusal(frame.stamp_ns, "instruction_not_understood", problem, instruction)
        cameras = self.manifest.states.cameras
        missing = [name for name in cameras if name not in frame.images]
        if missing:
            return Refusal(frame.stamp_ns, "camera_missing", f"no picture of camera '{missing[0]}'", instruction)
        chat = prompt_text(template_for(len(cameras), steered=False), tidy_instruction(instruction))
        images = [frame.images[name] for name in cameras]
        try:
            answer = self.runtime.answer(chat, images, self.most_tokens, cancelled)
        except InvalidData as error:
            return Refusal(frame.stamp_ns, "not_answered", str(error), instruction)
        return None if answer is None else self.read(frame, instruction, answer)

    def read(self, frame: Frame, instruction: str, answer: TextAnswer) -> Plan | Refusal:
        """Return the plan that an answer's text spells, or why it spells none."""
        if not answer.complete:
            detail = f"no end of answer within {self.most_tokens} tokens"
            return Refusal(frame.stamp_ns, "answer_not_finished", detail, instruction)
        return self._writer.write(frame, instruction, read_text(answer.text, self.form), answer.latency_ms)

    def probe(self, probe: Probe) -> Plan | Refusal | None:
        """Answer a probe as any frame."""
        return self.plan(probe.frame, probe.instruction)
