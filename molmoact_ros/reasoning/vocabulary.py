"""Sentences, robot state and answers of an embedded model as token ids, and back."""

import re

import numpy as np

from ..errors import InvalidData
from ..runtime.contract import TokenLayout


class UnknownWords(InvalidData):
    """The instruction cannot be spelled with the words that the model was trained on."""


def instruction_ids(layout: TokenLayout, instruction: str) -> list[int]:
    """Spell an instruction as exactly layout.max_words ids, padded.

    Unknown words are refused: a model must not act on a sentence that it can only half read.
    """
    words = re.findall(r"[a-z0-9']+", instruction.lower())
    unknown = [w for w in words if w not in layout.words]
    if unknown or not words or len(words) > layout.max_words:
        found = f"unknown words {unknown}" if unknown else f"an instruction of {len(words)} words"
        known = " ".join(sorted(layout.words))
        raise UnknownWords(found, f"1 to {layout.max_words} of the words this model knows", f"Use: {known}.")
    ids = [layout.first_word + layout.words.index(w) for w in words]
    return ids + [layout.pad] * (layout.max_words - len(ids))


def prompt_ids(
    layout: TokenLayout, image_tokens: int, instruction: str, state_bins, annotated: bool = False
) -> np.ndarray:
    """Return the prompt (s,): BOS, the image's places, the instruction, the robot's state as bins.

    annotated: the trace to be followed is drawn in the picture; the answer is the action alone.
    """
    first, places = [layout.annotated if annotated else layout.bos], [layout.im_patch] * image_tokens
    state = [layout.bin_0 + int(b) for b in state_bins]
    return np.array(first + places + instruction_ids(layout, instruction) + state, np.int64)


def prompt_length(layout: TokenLayout, image_tokens: int) -> int:
    """Number of prompt tokens; it does not depend on the instruction."""
    return 1 + image_tokens + layout.max_words + layout.state_dims


def depth_ids(layout: TokenLayout, codes) -> np.ndarray:
    """Spell a (10, 10) grid of depth codes with its brackets."""
    return np.concatenate([[layout.depth_start], layout.depth_0 + np.ravel(codes), [layout.depth_end]]).astype(np.int64)


def answer_ids(layout: TokenLayout, trace, bins) -> np.ndarray:
    """Spell what follows the depth codes: trace points (n, 2) in 0..255, action bins (h, d), end of answer.

    An empty trace says that the named object is not in sight; no action follows.
    """
    coordinates = layout.coordinate_0 + np.ravel(trace).astype(np.int64)
    head = np.concatenate([[layout.trace_start], coordinates, [layout.trace_end]])
    if len(coordinates) == 0:
        return np.append(head, layout.eos).astype(np.int64)
    tail = np.concatenate([[layout.action_start], layout.bin_0 + np.ravel(bins), [layout.eos]])
    return np.concatenate([head, tail]).astype(np.int64)
