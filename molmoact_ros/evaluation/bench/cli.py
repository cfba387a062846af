"""`molmoact bench reasoning`, `safety`: measure every way to make a plan, every verdict. `page`: write what was."""

import argparse
import json
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import ConfigError, InvalidData
from ...runtime.comparison import compare
from ..report import write_report
from . import safety, shape
from .cases import agree, cases_of, line, summary
from .cycles import cycles
from .measure import run
from .models import EMBEDDED, MODELS, RANDOM, modes_of, subjects
from .modes import MODES
from .page import written_page

BACKENDS = ("torch", "onnx", "tensorrt", "tensorrt_rtx")
RECORD = "runs/bench/cycles.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact bench`."""
    parser.add_argument("what", choices=("reasoning", "safety", "page"), help="what to measure, or write the page")
    parser.add_argument("files", nargs="*", metavar="JSON", help="reports that the page is written from")
    parser.add_argument("--json", metavar="FILE", help="write summary, cases and environment")
    parser.add_argument("--page", metavar="FILE", help="write the figures as a page (Markdown)")
    parser.add_argument("--cycles", type=int, default=200, help="recorded cycles that every model answers")
    parser.add_argument("--text-cycles", type=int, default=30, help="on how many of these text is decoded plainly")
    parser.add_argument("--record", default=RECORD, metavar="NPZ", help="the recording; made when it is not there")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="what is measured")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="on which of these")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), help="which, besides plain; default: all that apply")
    parser.add_argument("--window", type=int, default=16, help="guessed tokens that are checked per pass at most")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the network")
    parser.add_argument("--work", metavar="FOLDER", help="keep the checkpoints made for this here; else none is")
    parser.add_argument("--shape", choices=list(shape.SHAPES), help="measure a random network of this shape alone")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="where a shape runs; cuda alone: the 7B shape")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact bench`; exit code 0 only when every exact mode gave the tokens of plain decoding."""
    if options.what == "safety":
        return _safety(options)
    if options.what == "page":
        return _page(options, [_report(path) for path in options.files])
    if options.cycles < 2 or options.text_cycles < 1:
        found = f"--cycles {options.cycles} --text-cycles {options.text_cycles}"
        raise ConfigError(found, "at least 2 and 1", "Ask for more.")
    options.device = options.device or ("cuda" if options.shape else "cpu")
    options.shape = options.shape or ("7b-d" if options.device == "cuda" else None)
    if options.shape:
        shape.require(options.device)
    recorded = cycles(options.record, options.cycles)
    with nullcontext(options.work) if options.work else TemporaryDirectory() as work:
        figures, cases = _shape(options, recorded) if options.shape else _all(options, recorded, work)
    print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()))
    if options.page:
        with TemporaryDirectory() as folder:
            path = options.json or f"{folder}/report.json"
            write_report(path, figures, cases)
            _page(options, [_report(path)])
    return 0 if figures["identical"] else 1


def _safety(options) -> int:
    figures = safety.measure()
    print(safety.line(figures))
    _save(options, figures, [])
    return 0


def _all(options, recorded, work) -> tuple[dict, list[dict]]:
    """Measure every model on every backend; the report is written after each, so that none is lost."""
    cases, extra = [], {}
    for model in options.models:
        before, runtimes = None, {}
        for subject in subjects(model, recorded, work, options.backends, options.threads):
            text = model not in (EMBEDDED, RANDOM)
            modes = [m for m in modes_of(model) if m.name in ("plain", *(options.modes or MODES))]
            outcomes = run(subject, modes, options.window, options.text_cycles if text else 0)
            added = cases_of(subject, outcomes)
            cases += added
            print("\n".join(map(line, added)), flush=True)
            if before is not None:
                extra[f"same_on_all_backends_{model}"] = agree(before, outcomes)
            before, runtimes[subject.backend] = outcomes, subject
            if model == EMBEDDED and {"torch", "onnx"} <= set(runtimes) and "onnx_vs_torch_prompts" not in extra:
                extra |= _compared(runtimes)
            figures = {"command": _command(options), **summary(cases), **extra}
            _save(options, figures, cases)
    return {"command": _command(options), **summary(cases), **extra}, cases


def _compared(runtimes: dict) -> dict:
    """Hold ONNX Runtime against torch on all cycles, token by token and score by score."""
    torch, onnx = runtimes["torch"], runtimes["onnx"]
    questions = [torch.form.question(cycle.frame, cycle.instruction) for cycle in torch.cycles]
    found = compare(torch.runtime, onnx.runtime, torch.form.grammar, questions)
    return {f"onnx_vs_torch_{name}": value for name, value in found.items()}


def _shape(options, recorded) -> tuple[dict, list[dict]]:
    figures, cases = shape.measure(options.shape, options.device, recorded, options.text_cycles, options.window)
    figures = {"command": _command(options), **figures}
    _save(options, figures, cases)
    return figures, cases


def _command(options) -> str:
    """Return the command that makes such a report, without the names of files."""
    words = f"molmoact bench reasoning --cycles {options.cycles} --text-cycles {options.text_cycles}"
    words += f" --window {options.window} --threads {options.threads}"
    if options.shape:
        return f"{words} --shape {options.shape} --device {options.device}"
    names = " ".join(f"'{name}'" if " " in name else name for name in options.models)
    words = words if tuple(options.models) == MODELS else f"{words} --models {names}"
    return f"{words} --modes {' '.join(options.modes)}" if options.modes else words


def _save(options, figures: dict, cases: list[dict]) -> None:
    if options.json:
        write_report(options.json, figures, cases)


def _report(path) -> dict:
    """Read a report. InvalidData when it is none of this tool."""
    try:
        report = json.loads(Path(path).read_text())
        return {name: report[name] for name in ("summary", "cases", "environment")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = f"'{path}' cannot be read ({type(error).__name__}: {error})"
        raise InvalidData(found, "a report", "Make one: molmoact bench reasoning --json FILE") from None


def _page(options, reports: list[dict]) -> int:
    if not options.page or not reports:
        do = "Run: molmoact bench page REPORT.json --page docs/latency.md"
        raise ConfigError("no reports or no --page", "both", do)
    Path(options.page).write_text(written_page(reports))
    return 0
