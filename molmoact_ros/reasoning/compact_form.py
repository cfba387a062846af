"""The compact form: embedded models, whose prompts and answers have one id per thing."""

from typing import Callable, Mapping

import numpy as np

from ..runtime.compact_grammar import NOTHING, compact_grammar
from ..runtime.contract import Question
from ..runtime.decode import Answer
from ..runtime.sight import cut_pictures
from ..types import MAX_TRACE_POINTS, Frame
from .answer import Malformed, ParsedAnswer
from .manifest import Manifest
from .token_parser import parse
from .vocabulary import UnknownWords, instruction_ids, prompt_ids


class CompactForm:
    """Questions and answers of one embedded checkpoint; `prepare(image, size)` shrinks a picture as for training."""

    def __init__(self, config, manifest: Manifest, prepare: Callable):
        self.config, self.manifest, self._prepare = config, manifest, prepare
        self.codes = config.tokens.depth_codes
        self._sections = manifest.embedded.sections
        self.grammar = compact_grammar(config.tokens, manifest.states.horizon, manifest.dims, self._sections)

    def problem(self, instruction: str) -> str:
        """Return "" when the instruction can be spelled, else the reason why not."""
        try:
            instruction_ids(self.config.tokens, instruction)
        except UnknownWords as error:
            return str(error)
        return ""

    def question(self, frame: Frame, instruction: str) -> Question | Malformed:
        """Return what the network reads of a frame, or what is wrong with the frame."""
        state = np.append(frame.robot.T_base_ee[:3, 3], frame.robot.gripper_width_m)
        if not np.all(np.isfinite(state)):
            return Malformed("robot_state_not_finite", "the robot's state has a NaN")
        spelled = self.manifest.state_codec.encode(state)
        ids = prompt_ids(self.config.tokens, self.config.image_tokens, instruction, spelled)
        picture, vit = self._prepare(frame.first_image, self.manifest.image_size), self.config.vit
        if vit is None:
            return Question(ids, picture)
        values = picture[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        return Question(ids, *cut_pictures(vit, values))

    def read(self, answer: Answer, instruction: str) -> ParsedAnswer | Malformed:
        """Return the parts of an answer, or why it has none."""
        if answer.values.get(("u", 0)) == NOTHING:
            return Malformed("object_not_in_sight", f"nothing in sight that fits '{instruction}'")
        return parse(self.config.tokens, answer.ids, self.manifest.dims, self._sections)

    def spell_trace(self, points: np.ndarray) -> dict:
        """Return points (n, 2) in 0..255 as values by slot name; none for another number than the form has."""
        if len(points) != MAX_TRACE_POINTS or "trace" not in self._sections:
            return {}
        return {(axis, i): int(value) for i, point in enumerate(points) for axis, value in zip("uv", point)}

    def trace(self, values: Mapping) -> np.ndarray | None:
        """Return the points (n, 2) once the trace is whole, None before and where nothing is in sight."""
        if ("v", MAX_TRACE_POINTS - 1) not in values:
            return None
        return np.array([[values["u", i], values["v", i]] for i in range(MAX_TRACE_POINTS)])
