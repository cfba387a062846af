"""Golden answers and a writer of well-formed ones, for the tests of the parsers."""

import json
from functools import cache
from pathlib import Path

from molmoact_ros.reasoning.action_tokens import string_of

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "golden" / "molmoact_v1"
GOLDEN = SHARED if SHARED.is_dir() else ROOT / "tests" / "model" / "golden"


@cache
def vocabulary() -> dict[str, int]:
    """Return the strings and ids of the base Qwen2 tokenizer."""
    return json.loads((ROOT / "models" / "qwen2_tokenizer" / "vocab.json").read_text(encoding="utf-8"))


def golden_texts(prefix: str = "") -> list[dict]:
    """Return the golden texts whose category begins so, with what the reference reads in them."""
    lines = (GOLDEN / "text" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["category"].startswith(prefix)]


def written_depth(codes) -> str:
    """Write a depth section."""
    return "<DEPTH_START>" + "".join(f"<DEPTH_{code}>" for code in codes) + "<DEPTH_END>"


def written_trace(points, gap: str = " ") -> str:
    """Write a trace."""
    return "[" + f",{gap}".join(f"[{u},{gap}{v}]" for u, v in points) + "]"


def written_action(bins, quote: str = "", gap: str = " ", bare: bool = False) -> str:
    """Write action rows; bare: one row without the outer brackets."""
    rows = ["[" + f",{gap}".join(f"{quote}{string_of(int(b))}{quote}" for b in row) + "]" for row in bins]
    return rows[0] if bare else "[" + f",{gap}".join(rows) + "]"


def written_answer(codes, points, bins, **style) -> str:
    """Write an answer as the released model does."""
    return (
        f" The depth map of the first image is {written_depth(codes)}. The trajectory of the end effector in the first"
        f" image is {written_trace(points)}. Based on these information, the action that the robot should take is"
        f" {written_action(bins, **style)}."
    )
