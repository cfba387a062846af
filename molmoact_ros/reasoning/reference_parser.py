"""Answers read as the released model reads them, oddities included; for comparison, not for moving a robot.

It never refuses a text: unknown action strings become the lowest bin, incomplete rows vanish, sections are searched for
everywhere. `text_parser` is the strict reading. Source of the rules: spec sections 5 and 6.2.
"""

import re
from typing import Any, Mapping

import numpy as np

from .norm_stats import action_statistics

_DEPTH = re.compile(r"<DEPTH_START>.*?<DEPTH_END>", re.DOTALL)
# A list without a list inside, and a block that may hold such lists; neither is empty.
_LIST = re.compile(r"\[([^\[\]]+)\]")
_BLOCK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])++\]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$")
_POINT_LENGTH = 2


def parse_depth(text: str) -> list[str]:
    """Return every depth section of the text, its brackets included; contents and count are not looked at."""
    return _DEPTH.findall(text)


def parse_trace(text: str) -> list[list[list[int | float]]]:
    """Return the traces, lists of [u, v]: each bracket block of the text whose inner lists are all pairs of numbers."""
    traces = []
    for block in _BLOCK.findall(text):
        points = [_items(inner) for inner in _LIST.findall(block)]
        if points and all(len(point) == _POINT_LENGTH and _all_numbers(point) for point in points):
            traces.append([[_number(item) for item in point] for point in points])
    return traces


def parse_action(
    text: str,
    unnorm_key: str | None,
    norm_stats: Mapping[str, Any] | None,
    vocabulary: Mapping[str, int],
    n_action_bins: int = 256,
) -> list[list[float]]:
    """Return the action rows of the text, un-normalised; [] when there is none.

    A row is an innermost list with as many items as the statistics have dimensions, not all of them numbers and not all
    of them ASCII. vocabulary: the base Qwen2 tokenizer's strings and ids, without added tokens. Errors are those of
    `action_statistics`, before the text is looked at, and of `ActionStatistics.unnormalise`.
    """
    statistics = action_statistics(norm_stats, unnorm_key)
    centres = _bin_centres(n_action_bins)
    rows = [_items(inner) for inner in _LIST.findall(text)]
    rows = [row for row in rows if len(row) == statistics.dims and not _all_numbers(row) and not "".join(row).isascii()]
    return [statistics.unnormalise(centres[_bins(row, vocabulary, len(centres))]).tolist() for row in rows]


def _items(inner: str) -> list[str]:
    return [item.strip().strip('"').strip("'") for item in inner.split(",")]


def _all_numbers(items) -> bool:
    return all(_NUMBER.match(item) for item in items)


def _number(item: str) -> int | float:
    value = float(item)
    return int(value) if value.is_integer() else value


def _bin_centres(n_action_bins: int) -> np.ndarray:
    edges = np.linspace(-1.0, 1.0, n_action_bins)
    return (edges[:-1] + edges[1:]) / 2


def _bins(items, vocabulary: Mapping[str, int], count: int) -> np.ndarray:
    """Return the bins of a row: the vocabulary's last id is bin 0; ids below the action range are the last bin."""
    unknown = len(vocabulary)
    ids = np.array([vocabulary.get(item, unknown) for item in items], np.int64)
    return np.clip(len(vocabulary) - 1 - ids, 0, count - 1)
