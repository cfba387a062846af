"""The compact form of answers: one id per depth code, coordinate and action value (models trained here)."""

from ..model.config import TokenLayout
from ..types import MAX_TRACE_POINTS
from .grammar import SECTIONS, Grammar, Options, Slot

# Value of ("u", 0) where nothing in sight fits what was said.
NOTHING = "nothing"


def compact_grammar(layout: TokenLayout, horizon: int, dims: int, sections=SECTIONS) -> Grammar:
    """Return the form: depth brackets and codes, MAX_TRACE_POINTS points, a chunk of horizon x dims, end of answer.

    Instead of the first point the trace may close: nothing in sight that fits, and the answer ends there. `sections`:
    those that the answer has (models that are to be compared leave some out).
    """
    slots = _depth(layout) if "depth" in sections else []
    if "trace" in sections:
        after_trace = 2 * MAX_TRACE_POINTS + 3 + horizon * dims + 1
        slots += _trace(layout, end=len(slots) + after_trace)
    bins = _numbers(layout.bin_0, layout.bins)
    slots.append(_word("action", layout.action_start))
    slots += [Slot(("action", row, column), "action", bins) for row in range(horizon) for column in range(dims)]
    return Grammar([*slots, _word("action", layout.eos)])


def _depth(layout: TokenLayout) -> list[Slot]:
    codes = _numbers(layout.depth_0, layout.depth_codes)
    slots = [Slot(("depth", i), "depth", codes) for i in range(layout.depth_count)]
    return [_word("depth", layout.depth_start), *slots, _word("depth", layout.depth_end)]


def _trace(layout: TokenLayout, end: int) -> list[Slot]:
    """Return the trace's slots; `end` is the number of the answer's last slot, where "nothing in sight" leads."""
    places = _numbers(layout.coordinate_0, layout.coordinates)
    first = Options({**places.spellings, NOTHING: (layout.trace_end,)})
    names = [(axis, i) for i in range(MAX_TRACE_POINTS) for axis in "uv"]
    points = [Slot(name, "trace", places) for name in names[1:]]
    start = [_word("trace", layout.trace_start), Slot(names[0], "trace", first, {NOTHING: end}, layout.trace_end)]
    return [*start, *points, _word("trace", layout.trace_end)]


def _numbers(first: int, count: int) -> Options:
    return Options({i: (first + i,) for i in range(count)})


def _word(section: str, token: int) -> Slot:
    return Slot(("word", token), section, Options({0: (token,)}))
