"""From outcomes to the cases and the summary of a report."""

from typing import Mapping

import numpy as np

from ...runtime.decode import PREFILL
from ...runtime.grammar import SECTIONS
from ...types import Plan
from ..report import percentile
from .measure import Outcome, Subject
from .models import EMBEDDED, TEXT, TEXT_7
from .modes import BEST, MODES

_RATIOS = ("passes_ratio", "time_ratio", "answer_time_ratio", "cpu_ratio")
Outcomes = Mapping[int, Outcome]


def cases_of(subject: Subject, outcomes: Mapping[str, Outcomes]) -> list[dict]:
    """Return one case per mode that ran; ratios and identity are those of the cycles that `plain` ran, too."""
    plain = outcomes["plain"]
    return [_case(subject, name, found, plain) for name, found in outcomes.items()]


def _case(subject: Subject, name: str, found: Outcomes, plain: Outcomes) -> dict:
    both = sorted(found.keys() & plain.keys())
    same = sum(np.array_equal(found[i].ids, plain[i].ids) for i in both)
    mode = MODES[name]
    case = {"model": subject.model, "backend": subject.backend, "mode": name, "exact": mode.exact}
    case |= {"cycles": len(found), "compared": len(both), "same_answers": same}
    case |= {"scored": len(subject.runtime.legal)}
    case |= {"question_tokens": _mean(one.costs[PREFILL].tokens for one in found.values())}
    case |= {"identical": same == len(both) if mode.exact else None}
    case |= {"tokens_mean": _mean(len(one.ids) for one in found.values())}
    case |= {"passes_p50": percentile((one.passes for one in found.values()), 50)}
    case |= {"passes_mean": _mean(one.passes for one in found.values())}
    case |= {f"ms_p{q}": percentile((one.ms for one in found.values()), q) for q in (50, 90)}
    case |= {"cpu_ms_p50": percentile((one.cpu_ms for one in found.values()), 50)}
    case |= {"tokens_per_pass": case["tokens_mean"] / case["passes_mean"]}
    kinds = {"passes_ratio": "passes", "time_ratio": "ms", "answer_time_ratio": "answer_ms", "cpu_ratio": "cpu_ms"}
    case |= {called: _ratio(plain, found, both, kind) for called, kind in kinds.items()}
    case |= {"sections": sections(found), "question_ms": _mean(one.question_ms for one in found.values())}
    return case if mode.exact else case | distances(found, plain, both)


def _ratio(plain: Outcomes, found: Outcomes, both: list[int], kind: str) -> float:
    """Return plain's total over the mode's, of the cycles that both ran."""
    return sum(getattr(plain[i], kind) for i in both) / max(sum(getattr(found[i], kind) for i in both), 1e-9)


def sections(found: Outcomes) -> dict[str, dict]:
    """Return per section of the answer: mean ms, passes and tokens; guesses checked and accepted over all cycles."""
    table = {}
    for name in SECTIONS:
        costs = [one.costs[name] for one in found.values() if name in one.costs]
        table[name] = {kind: _mean(getattr(cost, kind) for cost in costs) for kind in ("ms", "passes", "tokens")}
        table[name] |= {kind: sum(getattr(cost, kind) for cost in costs) for kind in ("drafted", "accepted")}
        drafted = table[name]["drafted"]
        table[name]["rate"] = table[name]["accepted"] / drafted if drafted else None
    return table


def distances(found: Outcomes, plain: Outcomes, both: list[int]) -> dict:
    """Return how far plans are from plain's: equal depth codes (share), trace (0..255 units), tip positions (mm)."""
    pairs = [(found[i].plan, plain[i].plan) for i in both]
    pairs = [pair for pair in pairs if all(isinstance(plan, Plan) for plan in pair)]
    return {
        "plans_compared": len(pairs),
        "depth_agreement": _mean(np.mean(a.depth_tokens.codes == b.depth_tokens.codes) for a, b in pairs),
        "trace_distance": _mean(_apart(a.trace.points, b.trace.points) for a, b in pairs),
        "chunk_mm": _mean(1e3 * _apart(a.chunk.actions[:, :3], b.chunk.actions[:, :3]) for a, b in pairs),
    }


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean distance between two rows of points, as far as both go."""
    count = min(len(a), len(b))
    return float(np.linalg.norm(a[:count] - b[:count], axis=1).mean())


def agree(outcomes: Mapping[str, Outcomes], others: Mapping[str, Outcomes]) -> bool:
    """Whether plain said the same on two backends, wherever both were asked."""
    a, b = outcomes["plain"], others["plain"]
    return all(np.array_equal(a[i].ids, b[i].ids) for i in a.keys() & b.keys())


def summary(cases: list[dict]) -> dict:
    """Return the figures that stand for the whole report; None where their case did not run."""
    exact = [case for case in cases if case.get("exact")]
    force = _find(cases, EMBEDDED, "force")
    best = _find(cases, EMBEDDED, BEST)
    figures = {"identical": bool(exact) and all(case["identical"] for case in exact)}
    for model, ending in ((TEXT_7, ""), (TEXT, "_8x4")):
        text = _find(cases, model, BEST, "onnx")
        figures |= {f"{name}{ending}": text.get(name) for name in _RATIOS}
    for case in cases:
        if case["model"] == EMBEDDED and case["mode"] == BEST:
            figures[f"plan_ms_p50_{case['backend']}"] = case["ms_p50"]
    for name in SECTIONS:
        figures[f"accept_{name}"] = best.get("sections", {}).get(name, {}).get("rate")
    figures["force_depth_agreement"] = force.get("depth_agreement")
    figures["force_trace_distance"] = force.get("trace_distance")
    figures["force_chunk_mm"] = force.get("chunk_mm")
    return figures


def line(case: dict) -> str:
    """One line about a case."""
    same = f"{case['same_answers']}/{case['compared']} same" + ("" if case["exact"] else " (not exact)")
    return (
        f"  {case['model']:<12} {case['backend']:<8} {case['mode']:<13} passes {case['passes_p50']:5.0f}  "
        f"ms {case['ms_p50']:7.1f}  passes x{case['passes_ratio']:.2f}  time x{case['time_ratio']:.2f} "
        f"(answer x{case['answer_time_ratio']:.2f}, cpu x{case['cpu_ratio']:.2f})  {same}"
    )


def _find(cases: list[dict], model: str, mode: str, backend: str | None = None) -> dict:
    """Return the case of a model in a mode, that of ONNX Runtime first; {} when there is none."""
    fits = [case for case in cases if case["model"] == model and case["mode"] == mode]
    fits = [case for case in fits if backend in (None, case["backend"])]
    return min(fits, key=lambda case: case["backend"] != "onnx", default={})


def _mean(values) -> float | None:
    values = [float(value) for value in values]
    return sum(values) / len(values) if values else None
