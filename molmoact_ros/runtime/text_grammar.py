"""The form of published answers: text, in which a coordinate is digits and an action value two to four odd characters.

The tokenizer cuts a text before every blank, whatever stands on either side, so the ids of the parts between two
blanks, one after the other, are those of the whole text. Every slot is made of such parts, or ends between a digit and
a bracket where it cuts as well: the grammar spells an answer exactly as the tokenizer would.
"""

from typing import Callable, Sequence

import numpy as np

from ..errors import InvalidData
from ..types import MAX_TRACE_POINTS, TRACE_RANGE
from .grammar import Grammar, Options, Slot, finite

Encode = Callable[[str], Sequence[int]]
_DEPTH, _TRACE, _ACTION = "{depth}", "{trace}", "{action}"
_TAKE = " the action that the robot should take is {action}."
_OTHERS = ", along with other images from different camera views as additional information,"
# How the released two-view and one-view models and stock fine-tunes write (spec sections 3.3 and 3.5).
PUBLISHED = (
    " The depth map of the first image is {depth}. The trajectory of the end effector in the first image is {trace}."
    f" Based on these information{_OTHERS}{_TAKE}",
    " The depth map of the image is {depth}. The trajectory of the end effector is {trace}."
    f" Based on these information,{_TAKE}",
    " The depth map of the image is {depth}. The trajectory of the end effector is {trace}."
    f" Based on this information,{_TAKE}",
    " The depth map of the image is {depth}. The trajectory of the end effector is {trace}."
    f" Based on this information{_OTHERS}{_TAKE}",
)


def text_grammar(
    encode: Encode,
    strings: Sequence[str],
    chunk: tuple[int, int],
    eos: int,
    depth: tuple[int, int] = (100, 128),
    wordings: Sequence[str] = PUBLISHED,
) -> Grammar:
    """Return the form of answers with a chunk of (rows, columns) action strings and (count, codes) of depth.

    encode: text -> ids, added tokens recognised. wordings: whole answers with {depth}, {trace}, {action} in place;
    where several differ the model decides. The value of ("action", row, column) is the index of its string, of
    ("v", i) the coordinate and whether the trace ends with it. InvalidData for a wording that is no such answer.
    """
    openings, middles, stops, closings, tails = zip(*map(_gaps, wordings))
    if len({*stops}) > 1 or len({*tails}) > 1:
        raise InvalidData(f"wordings that end a trace by {stops}", "all alike", "Give one of them.")
    count, codes = depth
    code = Options({i: encode(f"<DEPTH_{i}>") for i in range(codes)})
    slots = [_texts(encode, "opening", "depth", [text + "<DEPTH_START>" for text in openings])]
    slots += [Slot(("depth", i), "depth", code) for i in range(count)]
    slots.append(_texts(encode, "middle", "trace", ["<DEPTH_END>" + text + "[[" for text in middles]))
    slots += _points(encode, "]]" + stops[0], len(slots))
    slots.append(_texts(encode, "closing", "action", [text.rstrip(" ") for text in closings]))
    slots += _values(encode, strings, chunk, tails[0])
    return Grammar([*slots, Slot("end", "action", Options({0: (eos,)}))])


def _gaps(wording: str) -> tuple[str, str, str, str, str]:
    """Return what stands before the depth, the trace and the action, and what directly follows the trace and action."""
    opening, _, rest = wording.partition(_DEPTH)
    middle, _, rest = rest.partition(_TRACE)
    closing, _, tail = rest.partition(_ACTION)
    stop, blank, _ = closing.partition(" ")
    if not (opening.endswith(" ") and middle.endswith(" ") and blank and closing.endswith(" ")) or " " in tail:
        found = f"the wording '{wording[:60]}'"
        raise InvalidData(found, "{depth}, {trace} and {action} in order, a blank before each", "Correct 'wording'.")
    return opening, middle, stop, closing.removeprefix(stop), tail


def _texts(encode: Encode, name: str, section: str, texts: Sequence[str]) -> Slot:
    return Slot(name, section, Options({i: encode(text) for i, text in enumerate(dict.fromkeys(texts))}))


def _points(encode: Encode, end: str, first: int) -> list[Slot]:
    """Return the slots of 1 to MAX_TRACE_POINTS points; the trace may end after any of them."""
    numbers = {i: list(encode(str(i))) for i in range(TRACE_RANGE)}
    comma, between, close = (list(encode(text)) for text in (",", "],[", end))
    u = Options({i: ids + comma for i, ids in numbers.items()})
    ends = {(i, True): ids + close for i, ids in numbers.items()}
    v = Options({(i, False): ids + between for i, ids in numbers.items()} | ends)
    after = dict.fromkeys(ends, first + 2 * MAX_TRACE_POINTS)
    slots = []
    for i in range(MAX_TRACE_POINTS):
        last = i == MAX_TRACE_POINTS - 1
        slots += [Slot(("u", i), "trace", u), Slot(("v", i), "trace", Options(ends) if last else v, after)]
    return slots


def _values(encode: Encode, strings: Sequence[str], chunk: tuple[int, int], tail: str) -> list[Slot]:
    """Return the slots of the action values, brackets and commas included: '[[a, b], [c, d]]', or '[a, b]'."""
    rows, columns = chunk
    kinds: dict[tuple[str, str], Options] = {}
    slots = []
    for row, column in np.ndindex(rows, columns):
        before = (" [[" if row == 0 and rows > 1 else " [") if column == 0 else " "
        closes = ("]]" if rows > 1 else "]") + tail if row == rows - 1 else "],"
        kind = before, closes if column == columns - 1 else ","
        if kind not in kinds:
            kinds[kind] = Options({i: encode(kind[0] + string + kind[1]) for i, string in enumerate(strings)})
        slots.append(Slot(("action", row, column), "action", kinds[kind]))
    return slots


class FreeText:
    """Any text up to the end of the answer: for models whose wording nobody knows. Nothing is forced or drafted."""

    def __init__(self, vocab_size: int, eos: int, most: int):
        self.legal, self.eos, self.end = np.arange(vocab_size), eos, most
        self.start = (0, ())

    def allowed(self, state) -> np.ndarray:
        """Return every id; none after the end of the answer or `most` tokens."""
        return self.legal if state[0] < self.end else self.legal[:0]

    def next(self, state, token: int):
        """Return the state after a token."""
        return (self.end if token == self.eos else state[0] + 1), ()

    def completed(self, state, token: int) -> tuple[None, None]:
        """Return no slot: there are none."""
        return None, None

    def section(self, state) -> str:
        """Return the name of the only part there is."""
        return "answer"

    def choose(self, state, scores, columns) -> int:
        """Return the token with the highest score."""
        return int(self.legal[np.argmax(finite(scores[columns]))])

    def name(self, state) -> None:
        """Return no name: there are no slots."""
        return None

    def toward(self, state, value) -> None:
        """Return nothing: without a form nobody knows what comes where."""
        return None
