"""From answer tokens to a plan's parts, strictly: anything that is not exactly an answer is a refusal with a name."""

import numpy as np

from ..runtime.contract import TokenLayout
from ..runtime.grammar import SECTIONS
from ..types import MAX_TRACE_POINTS
from .answer import Malformed, ParsedAnswer, SectionFault, depth_grid


def parse(layout: TokenLayout, ids, dims: int, sections=SECTIONS) -> ParsedAnswer | Malformed:
    """Read ids of a whole answer with these sections: all depth codes, 1-5 points, rows of `dims` bins, no more."""
    try:
        return _read(layout, np.asarray(ids), dims, sections)
    except SectionFault as fault:
        return fault.malformed


def _read(layout: TokenLayout, ids, dims: int, sections) -> ParsedAnswer:
    codes = points = None
    if "depth" in sections:
        depth, ids = _bracketed(ids, layout.depth_start, layout.depth_end, "depth")
    if "trace" in sections:
        trace, ids = _bracketed(ids, layout.trace_start, layout.trace_end, "trace")
    if len(ids) < 2 or ids[0] != layout.action_start or ids[-1] != layout.eos:
        raise SectionFault("no_action", "the answer has no action section")
    if "depth" in sections:
        codes = _numbers(depth, layout.depth_0, layout.depth_codes, "depth")
    if "trace" in sections:
        points = _numbers(trace, layout.coordinate_0, layout.coordinates, "trace")
    bins = _numbers(ids[1:-1], layout.bin_0, layout.bins, "action")
    if codes is not None and len(codes) != layout.depth_count:
        raise SectionFault("depth_count", f"{len(codes)} depth codes instead of {layout.depth_count}")
    if points is not None and (len(points) % 2 or not 2 <= len(points) <= 2 * MAX_TRACE_POINTS):
        raise SectionFault("trace_length", f"{len(points)} trace coordinates")
    if len(bins) == 0 or len(bins) % dims:
        raise SectionFault("action_shape", f"{len(bins)} action tokens are not rows of {dims}")
    grid = None if codes is None else depth_grid(codes)
    return ParsedAnswer(grid, None if points is None else points.reshape(-1, 2), bins.reshape(-1, dims))


def _bracketed(ids, start: int, end: int, name: str):
    ends = np.flatnonzero(ids == end)
    if len(ids) == 0 or ids[0] != start or len(ends) == 0:
        raise SectionFault(f"no_{name}", f"the answer has no {name} section")
    return ids[1 : ends[0]], ids[ends[0] + 1 :]


def _numbers(ids, first: int, count: int, name: str) -> np.ndarray:
    values = ids - first
    if np.any((values < 0) | (values >= count)):
        raise SectionFault(f"{name}_token", f"a token that is not one of the {name} section's")
    return values
