"""The tables of the page, from the cases of reports."""

from typing import Sequence

from ...model.config import molmoact_7b_d
from ...runtime.grammar import SECTIONS
from .models import EMBEDDED, TEXT, TEXT_7
from .modes import BEST, EXACT, MODES
from .roofline import GPUS, PRECISIONS, gpu_of, pass_bytes, pass_ms
from .shape import EAGER, GRAPHS, LOOP, STEPS

_NONE = "not measured"


def table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Write a table; numbers are right-aligned when the column's first one is."""
    numeric = [isinstance(value, float | int) for value in rows[0]] if rows else [False] * len(header)
    lines = [header, ["---:" if right else "---" for right in numeric], *([_text(v) for v in row] for row in rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def _text(value) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def modes() -> str:
    """Say what each mode does."""
    rows = [(f"`{mode.name}`", "yes" if mode.exact else "no", mode.meaning) for mode in MODES.values()]
    return table(("mode", "exact", "what it does"), rows)


def figures(cases: Sequence[dict], model: str) -> str:
    """Set all modes of a model side by side, per backend."""
    rows = [
        (
            case["backend"], f"`{case['mode']}`", float(case["passes_p50"]), case["tokens_per_pass"], case["ms_p50"],
            case["ms_p90"], case["cpu_ms_p50"], case["passes_ratio"], case["time_ratio"], case["answer_time_ratio"],
            case["cpu_ratio"], f"{case['same_answers']} of {case['compared']}", case["cycles"],
        )
        for case in cases
        if case["model"] == model
    ]  # fmt: skip
    header = ["backend", "mode", "passes", "tokens per pass", "plan p50 [ms]", "plan p90 [ms]", "CPU p50 [ms]"]
    header += ["passes, plain / mode", "time, plain / mode", "the same without the question", "CPU, plain / mode"]
    return table((*header, "answers as plain", "cycles"), rows)


def sections(cases: Sequence[dict], backend: str = "onnx") -> str:
    """Say what every section costs the embedded and the text model."""
    rows = []
    for case in cases:
        if case.get("exact") and case["model"] in (EMBEDDED, TEXT, TEXT_7) and case["backend"] == backend:
            parts = [case["sections"][name] for name in SECTIONS]
            cells = [f"{_text(part['passes'])} / {_text(part['ms'])}" for part in parts]
            rows.append((case["model"], f"`{case['mode']}`", case["question_ms"], *cells))
    return table(("model", "mode", "question [ms]", *(f"{name}: passes / ms" for name in SECTIONS)), rows)


def acceptance(cases: Sequence[dict]) -> str:
    """Say how many of the checked guesses were right."""
    rows = []
    for case in cases:
        guesses = case.get("exact") and MODES[case["mode"]].guesses and case["backend"] == "onnx"
        if guesses:
            parts = [case["sections"][name] for name in SECTIONS]
            cells = ["-" if not p["drafted"] else f"{p['rate']:.2f} ({p['accepted']} of {p['drafted']})" for p in parts]
            rows.append((case["model"], f"`{case['mode']}`", *cells))
    return table(("model", "mode", *SECTIONS), rows)


def inexact(cases: Sequence[dict]) -> str:
    """Say how far the plans of the inexact modes are from those of plain decoding."""
    rows = [
        (
            case["backend"], f"`{case['mode']}`", case["depth_agreement"], case["trace_distance"], case["chunk_mm"],
            case["plans_compared"],
        )
        for case in cases
        if case.get("exact") is False
    ]  # fmt: skip
    return table(
        ("backend", "mode", "equal depth codes (share)", "trace apart [0..255]", "tip apart [mm]", "plans"), rows
    )


def steps(cases: Sequence[dict], shapes: Sequence[dict]) -> str:
    """Set the limit of memory for one pass of the 7B decoder beside what was measured."""
    scored, cached = sizes(cases)
    rows = []
    for gpu, precision in _targets():
        size = pass_bytes(molmoact_7b_d().decoder, precision, scored, cached)
        limit = pass_ms(size, GPUS[gpu])
        at = shapes, gpu, precision
        found = [_joined(_with_share(*at, f"{way} of {k}") for k in STEPS) for way in (GRAPHS, EAGER)]
        found.append(_measured(*at, LOOP, "ms_per_token"))
        rows.append((gpu, precision, size / 1e9, limit, _joined(limit / k for k in STEPS), *found))
    each = " / ".join(map(str, STEPS))
    header = "GPU", "weights", "read per pass [GB]", "limit per pass [ms]", f"limit per token, {each} right [ms]"
    measured = f"measured pass of {each} tokens [ms] (of the limit)", "the same without CUDA graphs [ms]"
    return table((*header, *measured, "measured plain loop, per token [ms]"), rows)


def _with_share(*at) -> str:
    """Write a measured time with the share of the limit that it reached."""
    ms, share = _measured(*at), _measured(*at, kind="share_of_limit")
    return ms if ms == _NONE or share in (None, _NONE) else f"{_text(ms)} ({share:.0%})"


def _joined(values) -> str:
    """Put values of one kind into one cell; one word where all are missing."""
    texts = [_text(value) for value in values]
    return texts[0] if set(texts) == {_NONE} else " / ".join(texts)


def chunks(cases: Sequence[dict], shapes: Sequence[dict]) -> str:
    """Set passes of a whole answer times the limit beside what was measured; without looking and reading."""
    scored, cached = sizes(cases)
    passes = {name: _passes(cases, name) for name in EXACT}
    names = [name for name in EXACT if passes[name]]
    rows = []
    for gpu, precision in _targets():
        limit = pass_ms(pass_bytes(molmoact_7b_d().decoder, precision, scored, cached), GPUS[gpu])
        found = [_measured(shapes, gpu, precision, name) for name in ("plain", BEST, LOOP)]
        rows.append((gpu, precision, *(passes[name] * limit for name in names), *found))
    header = [f"limit, `{name}`, {_text(passes[name])} passes [ms]" for name in names]
    header += [f"measured plan, `{name}` [ms]" for name in ("plain", BEST)]
    return table(("GPU", "weights", *header, "measured plain loop [ms]"), rows)


def _targets():
    return [(gpu, precision) for gpu in GPUS for precision in PRECISIONS]


def sizes(cases: Sequence[dict]) -> tuple[int, int]:
    """Return the scored ids, and the tokens in the cache halfway through an answer, of the text model."""
    case = next((case for case in cases if case["model"] in (TEXT_7, TEXT)), None)
    return (case["scored"], round(case["question_tokens"] + case["tokens_mean"] / 2)) if case else (320, 1200)


def _passes(cases: Sequence[dict], mode: str) -> float | None:
    """Return the mean passes of the text model whose answers are longest."""
    longest = TEXT_7 if any(case["model"] == TEXT_7 for case in cases) else TEXT
    return next((case["passes_mean"] for case in cases if (case["model"], case["mode"]) == (longest, mode)), None)


def _measured(shapes: Sequence[dict], gpu: str, precision: str, mode: str, kind: str = "ms_p50"):
    """Return what a report of this GPU holds for a way, or that nobody measured it."""
    for report in shapes:
        if precision == "bf16" and report["summary"]["shape"] == "7b-d" and gpu_of(report["environment"]["gpu"]) == gpu:
            return next((case[kind] for case in report["cases"] if case["mode"] == mode), _NONE)
    return _NONE
