"""From an answer's text to a plan's parts, strictly: what is not exactly an answer is a refusal with a name.

The wording between the sections is free, as checkpoints differ in it (spec sections 3.3 and 3.5); the sections are not.
There is no default action: a text that is not understood never becomes a motion.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..errors import InvalidData
from ..types import MAX_TRACE_POINTS, TRACE_RANGE
from .action_tokens import bin_of
from .answer import Malformed, ParsedAnswer, SectionFault, depth_grid

_START, _END, _MARKER = "<DEPTH_START>", "<DEPTH_END>", "<DEPTH"
_BRACKET = re.compile(r"[\[\]]")
_BETWEEN_ROWS = re.compile(r"\] *, *\[")
_NUMERIC = re.compile(r"""[\[\]0-9 ,.+'"-]*""")
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_COORDINATES = {str(value): value for value in range(TRACE_RANGE)}
_QUOTES = ("'", '"')


@dataclass(frozen=True)
class AnswerForm:
    """What an answer must consist of: sections, depth codes, rows and dimensions of the action chunk."""

    horizon: int
    dims: int
    depth_count: int = 100
    depth_codes: int = 128
    depth: bool = True
    trace: bool = True

    def __post_init__(self):
        sizes = (self.horizon, self.dims, self.depth_count, self.depth_codes)
        if min(sizes) < 1:
            raise InvalidData(f"an answer form with sizes {sizes}", "1 or more each", "Correct the checkpoint's data.")


def read_text(text: str, form: AnswerForm) -> ParsedAnswer | Malformed:
    """Read a whole answer: depth section, trace, action chunk, in this order; never raises, in linear time.

    Names of refusals: no_depth, depth_repeated, depth_form, depth_code, depth_count, unexpected_depth; no_trace,
    trace_form, trace_length, trace_range, traces_differ, unexpected_trace; no_action, action_form, action_shape,
    action_unknown_item; unclosed_brackets, unexpected_brackets, unexpected_characters.
    """
    try:
        return _read(text, form)
    except SectionFault as fault:
        return fault.malformed


def _read(text: str, form: AnswerForm) -> ParsedAnswer:
    codes, rest = _depth(text, form) if form.depth else (None, text)
    if _MARKER in rest:
        raise SectionFault("depth_form" if form.depth else "unexpected_depth", "a depth token where none belongs")
    groups = _bracket_groups(rest)
    traces = groups[: next((i for i, group in enumerate(groups) if not _NUMERIC.fullmatch(group)), len(groups))]
    actions = groups[len(traces) :]
    trace = _trace(traces, form)
    if not actions:
        raise SectionFault("no_action", "the answer has no action section")
    if len(actions) > 1:
        raise SectionFault("unexpected_brackets", f"{len(actions) - 1} bracket groups after the action section")
    return ParsedAnswer(codes, trace, _action(actions[0], form))


def _depth(text: str, form: AnswerForm) -> tuple[np.ndarray, str]:
    """Return the depth codes as a grid and the text after them."""
    before, start, rest = text.partition(_START)
    inner, end, after = rest.partition(_END)
    if not start or not end:
        raise SectionFault("no_depth", f"the answer has no {_END if start else _START}")
    if _START in rest or _END in before or _END in after:
        raise SectionFault("depth_repeated", "more than one begin or end of a depth section")
    _require_wording(before)
    if _MARKER in before:
        raise SectionFault("depth_form", "a depth token before the depth section")
    if _BRACKET.search(before):
        raise SectionFault("unexpected_brackets", "a bracket before the depth section")
    if inner and not (inner.startswith("<") and inner.endswith(">")):
        raise SectionFault("depth_form", "text between the depth codes")
    tokens, known = inner[1:-1].split("><") if inner else [], _depth_tokens(form.depth_codes)
    unknown = next((token for token in tokens if token not in known), None)
    if unknown is not None:
        raise SectionFault("depth_code", f"{unknown[:20]!a} is not a depth code 0..{form.depth_codes - 1}")
    if len(tokens) != form.depth_count:
        raise SectionFault("depth_count", f"{len(tokens)} depth codes instead of {form.depth_count}")
    return depth_grid([known[token] for token in tokens]), after


@cache
def _depth_tokens(count: int) -> dict[str, int]:
    return {f"DEPTH_{code}": code for code in range(count)}


def _bracket_groups(text: str) -> list[str]:
    """Return the outermost bracket groups, brackets included; everything outside them must be wording."""
    groups, level, outside = [], 0, 0
    for match in _BRACKET.finditer(text):
        if match[0] == "[":
            if level == 0:
                _require_wording(text[outside : match.start()])
                outside = match.start()
            level += 1
            continue
        level -= 1
        if level < 0:
            raise SectionFault("unexpected_brackets", "a bracket is closed that was not opened")
        if level == 0:
            groups.append(text[outside : match.end()])
            outside = match.end()
    if level:
        raise SectionFault("unclosed_brackets", "a bracket is not closed; the answer may be cut off")
    _require_wording(text[outside:])
    return groups


def _require_wording(text: str) -> None:
    if not text.isascii():
        raise SectionFault("unexpected_characters", "characters that are not ASCII outside the action items")


def _rows(group: str, section: str) -> tuple[list[list[str]], bool]:
    """Split '[[a, b], [c, d]]' into its rows of items, or '[a, b]' into one; the second says whether it was nested."""
    inner = group[1:-1].strip(" ")
    nested = inner.startswith("[") and inner.endswith("]")
    rows = _BETWEEN_ROWS.split(inner[1:-1]) if nested else [inner]
    if any(_BRACKET.search(row) for row in rows):
        raise SectionFault(f"{section}_form", f"the {section} section is not a list of rows")
    return [[item.strip(" ") for item in row.split(",")] for row in rows], nested


def _trace(groups: list[str], form: AnswerForm) -> np.ndarray | None:
    """Read the trace; the same one again is accepted, as the published fine-tuning recipe writes it for two arms."""
    if not form.trace:
        if groups:
            raise SectionFault("unexpected_trace", "a trace where the answer should have none")
        return None
    if not groups:
        raise SectionFault("no_trace", "the answer has no trace")
    first, *others = map(_points, groups)
    if any(other != first for other in others):
        raise SectionFault("traces_differ", f"{len(groups)} different traces")
    return np.array(first, np.int64)


def _points(group: str) -> list[list[int]]:
    rows, nested = _rows(group, "trace")
    if rows == [[""]]:
        raise SectionFault("trace_length", "a trace without a point")
    if not nested or any(len(row) != 2 for row in rows):
        raise SectionFault("trace_form", "the trace is not a list of [u, v]")
    if len(rows) > MAX_TRACE_POINTS:
        raise SectionFault("trace_length", f"{len(rows)} trace points, at most {MAX_TRACE_POINTS}")
    return [[_coordinate(item) for item in row] for row in rows]


def _coordinate(item: str) -> int:
    value = _COORDINATES.get(item)
    if value is None:
        name = "trace_range" if _INTEGER.fullmatch(item) else "trace_form"
        raise SectionFault(name, f"trace coordinate {item[:20]!a} is not an integer 0..{TRACE_RANGE - 1}")
    return value


def _action(group: str, form: AnswerForm) -> np.ndarray:
    rows, nested = _rows(group, "action")
    wanted = f"{form.horizon} rows of {form.dims}"
    if len(rows) != form.horizon or not (nested or form.horizon == 1):
        raise SectionFault("action_shape", f"{len(rows) if nested else 'a bare row'} instead of {wanted}")
    if any(len(row) != form.dims for row in rows):
        raise SectionFault("action_shape", f"a row of another length instead of {wanted}")
    return np.array([[_bin(item) for item in row] for row in rows], np.int64)


def _bin(item: str) -> int:
    quoted = len(item) >= 2 and item[0] in _QUOTES and item[0] == item[-1]
    found = bin_of(item[1:-1] if quoted else item)
    if found is None:
        raise SectionFault("action_unknown_item", f"{item[:20]!a} is not an action string")
    return found
