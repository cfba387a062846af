"""The compact form of answers: one id per depth code, coordinate and action value (models trained here)."""

from ..model.config import TokenLayout
from ..types import MAX_TRACE_POINTS
from .grammar import Grammar, Options, Slot

# Value of ("u", 0) where nothing in sight fits what was said.
NOTHING = "nothing"


def compact_grammar(layout: TokenLayout, horizon: int, dims: int) -> Grammar:
    """Return the form: depth brackets and codes, MAX_TRACE_POINTS points, a chunk of horizon x dims, end of answer.

    Instead of the first point the trace may close: nothing in sight that fits, and the answer ends there.
    """
    codes = _numbers(layout.depth_0, layout.depth_codes)
    places = _numbers(layout.coordinate_0, layout.coordinates)
    bins = _numbers(layout.bin_0, layout.bins)
    slots = [_word("depth", layout.depth_start)]
    slots += [Slot(("depth", i), "depth", codes) for i in range(layout.depth_count)]
    slots += [_word("depth", layout.depth_end), _word("trace", layout.trace_start)]
    end = len(slots) + 2 * MAX_TRACE_POINTS + 2 + horizon * dims + 1
    first = Options({**places.spellings, NOTHING: (layout.trace_end,)})
    slots.append(Slot(("u", 0), "trace", first, {NOTHING: end}, layout.trace_end))
    slots += [
        Slot((axis, i), "trace", places) for i in range(MAX_TRACE_POINTS) for axis in "uv" if (axis, i) != ("u", 0)
    ]
    slots += [_word("trace", layout.trace_end), _word("action", layout.action_start)]
    slots += [Slot(("action", row, column), "action", bins) for row in range(horizon) for column in range(dims)]
    return Grammar([*slots, _word("action", layout.eos)])


def _numbers(first: int, count: int) -> Options:
    return Options({i: (first + i,) for i in range(count)})


def _word(section: str, token: int) -> Slot:
    return Slot(("word", token), section, Options({0: (token,)}))
