"""From answer tokens to a plan's parts, strictly: anything that is not exactly an answer is a refusal with a name."""

from dataclasses import dataclass

import numpy as np

from ..runtime.contract import TokenLayout
from ..types import MAX_TRACE_POINTS


@dataclass(frozen=True)
class ParsedAnswer:
    """Depth codes (10, 10), trace points (n, 2) in 0..255, action bins (h, d)."""

    codes: np.ndarray
    trace: np.ndarray
    bins: np.ndarray


class MalformedAnswer(ValueError):
    """The tokens are not an answer; `name` says what is wrong."""

    def __init__(self, name: str, detail: str):
        self.name = name
        super().__init__(detail)


def parse(layout: TokenLayout, ids, dims: int) -> ParsedAnswer:
    """Read ids of a whole answer: exactly 100 codes, 1-5 points, rows of `dims` bins, nothing unknown."""
    ids = np.asarray(ids)
    depth, rest = _bracketed(ids, layout.depth_start, layout.depth_end, "depth")
    trace, rest = _bracketed(rest, layout.trace_start, layout.trace_end, "trace")
    if len(rest) < 2 or rest[0] != layout.action_start or rest[-1] != layout.eos:
        raise MalformedAnswer("no_action", "the answer has no action section")
    codes = _numbers(depth, layout.depth_0, layout.depth_codes, "depth")
    points = _numbers(trace, layout.coordinate_0, layout.coordinates, "trace")
    bins = _numbers(rest[1:-1], layout.bin_0, layout.bins, "action")
    if len(codes) != layout.depth_count:
        raise MalformedAnswer("depth_count", f"{len(codes)} depth codes instead of {layout.depth_count}")
    if len(points) % 2 or not 2 <= len(points) <= 2 * MAX_TRACE_POINTS:
        raise MalformedAnswer("trace_length", f"{len(points)} trace coordinates")
    if len(bins) == 0 or len(bins) % dims:
        raise MalformedAnswer("action_shape", f"{len(bins)} action tokens are not rows of {dims}")
    side = int(round(layout.depth_count**0.5))
    return ParsedAnswer(codes.reshape(side, side), points.reshape(-1, 2), bins.reshape(-1, dims))


def _bracketed(ids, start: int, end: int, name: str):
    ends = np.flatnonzero(ids == end)
    if len(ids) == 0 or ids[0] != start or len(ends) == 0:
        raise MalformedAnswer(f"no_{name}", f"the answer has no {name} section")
    return ids[1 : ends[0]], ids[ends[0] + 1 :]


def _numbers(ids, first: int, count: int, name: str) -> np.ndarray:
    values = ids - first
    if np.any((values < 0) | (values >= count)):
        raise MalformedAnswer(f"{name}_token", f"a token that is not one of the {name} section's")
    return values
