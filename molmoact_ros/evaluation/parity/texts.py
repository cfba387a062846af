"""Parity of the parsers, the action strings and the statistics: every golden text and number through our code."""

import json
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

import numpy as np

from ...reasoning.action_codec import BIN_CENTRES, BIN_EDGES
from ...reasoning.action_tokens import (
    ACTION_STRINGS,
    bin_of,
    digits,
    encode_inverting_gripper,
    normalise_inverting_gripper,
    written_chunk,
    written_row,
)
from ...reasoning.reference_parser import parse_action, parse_depth, parse_trace
from .case import Case

TOLERANCE = 1e-6
_NO_KEY = "<None>"
Vocabulary = Mapping[str, int]


def run(golden: Path, vocabulary: Vocabulary) -> Iterator[Case]:
    """Yield one case for each line of text/ and action_tokens/ of a golden folder; vocabulary: base Qwen2 strings."""
    texts, tokens = Path(golden) / "text", Path(golden) / "action_tokens"
    norm_stats = _json(texts / "norm_stats.json") or {}
    for row in _lines(texts / "cases.jsonl"):
        yield _case("text", row["id"], partial(_text, row, norm_stats, vocabulary))
    for row in _lines(texts / "stats_cases.jsonl"):
        yield _case("text", row["id"], partial(_stats, row, vocabulary))
    for name in ("bins", "bins_spot"):
        yield from _bins(name, _json(tokens / f"{name}.json"), vocabulary)
    for i, row in enumerate(_rows(_json(tokens / "digitize.json"))):
        yield _case("action_tokens", f"digitize {i}", partial(_digitize, row, vocabulary))
    for name, compare in (("encode", _encode), ("unnormalize", _unnormalize)):
        for row in _lines(tokens / f"{name}.jsonl"):
            yield _case("action_tokens", f"{name} {row['id']}", partial(compare, row, norm_stats, vocabulary))


@dataclass
class _Found:
    """What the comparisons of one case have shown so far."""

    errors: dict = field(default_factory=dict)
    exact: bool | None = None
    detail: str = ""

    def same(self, what: str, ours, theirs) -> None:
        """Compare exactly; int and float are different."""
        agree = _identical(ours, theirs)
        self.exact = agree and self.exact is not False
        if not agree:
            self.differ(f"{what}: {ours!r} instead of {theirs!r}")

    def close(self, what: str, ours, theirs) -> None:
        """Compare arrays of numbers: 1e-6 absolute plus 1e-6 relative."""
        ours, theirs = (np.asarray(values, np.float64) for values in (ours, theirs))
        if ours.shape != theirs.shape:
            return self.differ(f"{what}: shape {ours.shape} instead of {theirs.shape}")
        error = float(np.max(np.abs(ours - theirs), initial=0.0))
        self.errors["action"] = max(error, self.errors.get("action", 0.0))
        if not np.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE):
            self.differ(f"{what}: differs by {error:.3g}")

    def differ(self, detail: str) -> None:
        """Keep the first difference."""
        self.detail = self.detail or detail[:300]


def _case(group: str, name: str, compare: Callable[[_Found], None]) -> Case:
    found = _Found()
    try:
        compare(found)
    except Exception as error:
        found.differ(f"{type(error).__name__}: {error}")
    return Case(group, str(name), not found.detail, found.errors, found.exact, found.detail)


def _text(row: dict, norm_stats: dict, vocabulary: Vocabulary, found: _Found) -> None:
    text = row["text"]
    _outcome(found, "depth", partial(parse_depth, text), row["depth"])
    _outcome(found, "trace", partial(parse_trace, text), row["trace"])
    for name, expected in row["action"].items():
        key = None if name == _NO_KEY else name
        ask = partial(parse_action, text, key, norm_stats, vocabulary)
        _outcome(found, f"action of {name}", ask, expected, found.close)


def _stats(row: dict, vocabulary: Vocabulary, found: _Found) -> None:
    text, key, stats, bins = (row[name] for name in ("text", "unnorm_key", "norm_stats", "n_action_bins"))
    ask = partial(parse_action, text, key, stats, vocabulary, bins)
    _outcome(found, "action", ask, row["action"], found.close)
    for name, parse in (("depth", parse_depth), ("trace", parse_trace)):
        if row.get(name) is not None:
            _outcome(found, name, partial(parse, text), row[name])


def _outcome(found: _Found, what: str, ask: Callable[[], Any], expected: dict, compare: Callable | None = None) -> None:
    """Compare a result with {"ok": value} or an error's type with {"error": name}; the wording is ours."""
    try:
        ours, raised = ask(), None
    except Exception as error:
        ours, raised = None, error
    if "error" in expected:
        kinds = [kind.__name__ for kind in type(raised).__mro__]
        return None if expected["error"] in kinds else found.differ(f"{what}: {raised!r} instead of {expected}")
    if raised is not None:
        return found.differ(f"{what}: {raised!r}")
    (compare or found.same)(what, ours, _numbers(expected["ok"]))


def _bins(name: str, data, vocabulary: Vocabulary) -> Iterator[Case]:
    for key, ours in (("edges", BIN_EDGES), ("bin_centers", BIN_CENTRES)):
        if isinstance(data, dict) and isinstance(data.get(key), list):
            compare = partial(_Found.close, what=key, ours=ours, theirs=data[key])
            yield _case("action_tokens", f"{name} {key}", compare)
    for i, row in enumerate(_rows(data)):
        yield _case("action_tokens", f"{name} {row.get('digitize_index', i)}", partial(_bin, row, vocabulary))


def _bin(row: dict, vocabulary: Vocabulary, found: _Found) -> None:
    string = ACTION_STRINGS[row["digitize_index"] - 1]
    ours = {"token": string, "token_id": vocabulary[string], "decoded_bin_index": bin_of(string)}
    for key in ours.keys() & row.keys():
        found.same(key, ours[key], row[key])
    if "decoded_normalized" in row:
        found.close("bin centre", BIN_CENTRES[bin_of(string)], row["decoded_normalized"])


def _digitize(row: dict, vocabulary: Vocabulary, found: _Found) -> None:
    digit = int(digits(float.fromhex(row["value_hex"])))
    found.same("digit", digit, row["digitize_index"])
    found.same("token", ACTION_STRINGS[digit - 1], row["token"])
    found.same("token id", vocabulary[row["token"]], row["token_id"])


def _encode(row: dict, norm_stats: dict, vocabulary: Vocabulary, found: _Found) -> None:
    bounds = [norm_stats[row["stats_key"]]["action"][name] for name in ("q01", "q99")]
    strings = encode_inverting_gripper(row["raw_action"], *bounds)
    normalised = normalise_inverting_gripper(row["raw_action"], *bounds)
    found.same("normalised", normalised.tolist(), [float(value) for value in row["normalized_float32"]])
    found.same("tokens", strings, row["tokens"])
    found.same("token ids", [vocabulary[string] for string in strings], row["token_ids"])
    if row.get("chunked8"):
        found.same("chunk", written_chunk([strings] * 8), row["chunked8"])
    back = parse_action(written_row(strings), row["stats_key"], norm_stats, vocabulary)
    found.close("decoded", back, [row["decoded_by_parse_action"]])


def _unnormalize(row: dict, norm_stats: dict, vocabulary: Vocabulary, found: _Found) -> None:
    found.same("token ids", [vocabulary.get(token) for token in row["tokens"]], row["token_ids"])
    rows = parse_action(written_row(row["tokens"]), row["unnorm_key"], norm_stats, vocabulary)
    found.close("actions", rows, [row["actions"]])


def _identical(ours, theirs) -> bool:
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(_identical, ours, theirs))
    return ours == theirs or (isinstance(ours, float) and math.isnan(ours) and math.isnan(theirs))


def _numbers(value):
    """Read {"nonfinite": "inf"} and the like as the number that JSON cannot write."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value["nonfinite"]) if isinstance(value, dict) else value


def _json(path: Path):
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _rows(data) -> list[dict]:
    """Return the records of a file: it is the list itself, or holds the list beside other things."""
    lists = data.values() if isinstance(data, dict) else [data]
    return next((rows for rows in lists if isinstance(rows, list) and rows and isinstance(rows[0], dict)), [])


def _lines(path: Path) -> Iterator[dict]:
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)
