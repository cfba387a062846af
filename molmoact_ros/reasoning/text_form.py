"""The text form: published models, asked in words and answering in words, read strictly."""

from typing import Mapping

import numpy as np

from ..errors import InvalidData
from ..runtime.contract import Question
from ..runtime.decode import Answer
from ..runtime.text_grammar import PUBLISHED, FreeText, text_grammar
from ..types import MAX_TRACE_POINTS, Frame
from .action_tokens import ACTION_STRINGS
from .answer import Malformed, ParsedAnswer
from .manifest import Manifest
from .prompts import prompt_text, template_for, tidy_instruction
from .text_parser import AnswerForm, read_text

FREE = "free"
# About 230 tokens of depth, trace and words around them; an action value has 2 to 4 and its comma (spec section 3.3).
_TOKENS_AROUND, _TOKENS_PER_VALUE = 230, 5


class TextForm:
    """Questions and answers of one published checkpoint; `chat` holds its tokenizer and image processor."""

    def __init__(self, chat, manifest: Manifest):
        self.chat, self.config, self.manifest = chat, chat.config, manifest
        rows, dims = manifest.states.horizon, manifest.dims
        self.form = AnswerForm(rows, dims)
        self.codes = self.form.depth_codes
        wordings = manifest.states.wording
        if wordings == (FREE,):
            self.most_tokens = _TOKENS_AROUND + _TOKENS_PER_VALUE * rows * dims
            self.grammar = FreeText(self.config.decoder.vocab_size, chat.eos, self.most_tokens)
        else:
            depth = self.form.depth_count, self.form.depth_codes
            spoken = wordings or PUBLISHED
            self.grammar = text_grammar(chat.encode, ACTION_STRINGS, (rows, dims), chat.eos, depth, spoken)

    def problem(self, instruction: str) -> str:
        """Return "" when the instruction is plain words, else the reason why not."""
        return self.chat.problem(instruction) if tidy_instruction(instruction) else "an empty instruction"

    def question(self, frame: Frame, instruction: str) -> Question | Malformed:
        """Return what the network reads of a frame, or what is wrong with the frame."""
        cameras = self.manifest.states.cameras
        missing = [name for name in cameras if name not in frame.images]
        if missing:
            return Malformed("camera_missing", f"no picture of camera '{missing[0]}'")
        text = prompt_text(template_for(len(cameras), steered=False), tidy_instruction(instruction))
        try:
            return self.chat.question(text, [frame.images[name] for name in cameras])
        except InvalidData as error:
            return Malformed("not_answered", str(error))

    def read(self, answer: Answer, instruction: str) -> ParsedAnswer | Malformed:
        """Return the parts of an answer, or why it has none."""
        if not answer.complete:
            return Malformed("answer_not_finished", f"no end of answer within {len(answer.ids)} tokens")
        return read_text(self.chat.decode(answer.ids), self.form)

    def spell_trace(self, points: np.ndarray) -> dict:
        """Return points (n, 2) in 0..255 as values by slot name."""
        last = len(points) - 1
        u = {("u", i): int(point[0]) for i, point in enumerate(points)}
        return u | {("v", i): (int(point[1]), i == last) for i, point in enumerate(points)}

    def trace(self, values: Mapping) -> np.ndarray | None:
        """Return the points (n, 2) once the trace is whole, None before."""
        points = []
        for i in range(MAX_TRACE_POINTS):
            coordinate, last = values.get(("v", i), (None, False))
            if coordinate is None:
                return None
            points.append([values["u", i], coordinate])
            if last:
                return np.array(points)
        return None
