"""`molmoact parity --golden DIR`: every golden case through our code, largest errors, pass or fail."""

import argparse
import json
from pathlib import Path

from ...errors import MissingPart
from ...places import locate
from ..report import write_report
from . import images, models, prompts, texts
from .case import Case

TOKENIZER = "models/qwen2_tokenizer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact parity`."""
    parser.add_argument("--golden", required=True, help="folder with tiny_model/, processor/, text/, …")
    parser.add_argument("--tokenizer", default=TOKENIZER, help="folder of the tokenizer that made the golden ids")
    parser.add_argument("--json", help="write the report to this file")
    parser.add_argument("--all", action="store_true", help="print every case, not only the failed ones")


def main(options: argparse.Namespace) -> int:
    """Run all cases; exit code 0 only if there are some and all pass."""
    cases = run(Path(options.golden), options.tokenizer)
    for case in cases:
        if options.all or not case.passed:
            errors = " ".join(f"{name} {value:.3g}" for name, value in case.errors.items())
            print(
                f"  {'pass' if case.passed else 'FAILED'}  {case.group}/{case.name}  {errors}  {case.detail}".rstrip()
            )
    print(table(cases))
    summary = summarise(cases)
    if options.json:
        write_report(options.json, summary, [_line(case) for case in cases])
    print("  ".join(f"{name} {value}" for name, value in summary.items()))
    return 0 if summary["passed"] == summary["cases"] else 1


def run(golden: Path, tokenizer_folder: str = TOKENIZER) -> list[Case]:
    """Return the cases of a golden folder; MissingPart when there are none."""
    import torch

    from ...model.tokenizer import load_tokenizer

    # One thread: sums then come in one order, and pixels agree to the last bit.
    torch.set_num_threads(1)
    folder = Path(locate(str(tokenizer_folder), "tokenizer", "Name the folder with vocab.json and merges.txt."))
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    cases = [*models.run(golden), *images.run(golden), *prompts.run(golden, load_tokenizer(folder))]
    cases += texts.run(golden, vocabulary)
    if not cases:
        raise MissingPart(f"no golden cases in '{golden}'", "tiny_model/, processor/, text/, …", "Name their folder.")
    return cases


def summarise(cases: list[Case]) -> dict:
    """Return counts, the largest logit and feature errors, and whether all integers of all cases agree."""
    return {
        "cases": len(cases),
        "passed": sum(case.passed for case in cases),
        "max_logit_error": _largest(cases, "logit"),
        "max_feature_error": _largest(cases, "feature"),
        "ids_exact": all(case.ids_exact is not False for case in cases),
        "max_pixel_error": _largest(cases, "pixel"),
        "max_action_error": _largest(cases, "action"),
    }


def table(cases: list[Case]) -> str:
    """Return one line per group of cases."""
    groups = sorted({case.group for case in cases})
    rows = {group: [case for case in cases if case.group == group] for group in groups}
    return "\n".join(
        f"  {group:20} {sum(case.passed for case in row):4} of {len(row):4} pass" for group, row in rows.items()
    )


def _largest(cases: list[Case], kind: str) -> float | None:
    return max((case.errors[kind] for case in cases if kind in case.errors), default=None)


def _line(case: Case) -> dict:
    line = {"group": case.group, "name": case.name, "passed": case.passed, **case.errors}
    line |= {} if case.ids_exact is None else {"ids_exact": case.ids_exact}
    return line | ({"detail": case.detail} if case.detail else {})
