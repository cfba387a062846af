"""docs/latency.md: what was measured, in tables, and how to read them."""

from typing import Sequence

from . import tables
from .models import EMBEDDED, MODELS, RANDOM, TEXT, TEXT_7

_HEAD = """# Latency of a plan

This page is written by `molmoact bench page REPORT.json … --page docs/latency.md` from reports of
`molmoact bench reasoning`; edit the tool, not the page. Every figure comes from one of these runs:

{runs}

"Passes" are passes through the decoder per plan, the one that reads the question included. Ratios are totals of plain
decoding over totals of a mode, in one process, over the same recorded cycles; the modes took turns, cycle by cycle,
so that other work on the machine hit all of them. "The same without the question" leaves out looking at the pictures
and reading the question, which no mode changes. "CPU" is the time that the process itself computed, on as many threads
as the command says: other work on the machine lengthens plans, but hardly this. Times of one machine do not carry over
to another; passes do.

## The modes

{modes}

Plain decoding is greedy under the grammar of answers: at every place the best token that may stand there. An
**exact** mode gives the very same tokens, because the model itself has checked every one of them: a pass reads
several guessed tokens, its scores say for each what the model would have said instead, and the first wrong guess and
all after it are thrown away. In fp32 a pass of sixteen tokens and a pass of one differ by rounding alone; the columns
"answers as plain" say whether that ever mattered. In bf16 or fp16 they differ by more: where two tokens are nearly
tied either may win, in plain decoding, too, when the kernel is another one. `force` and `continue` change what the
model is told and so what it says; the table of distances below says by how much.

The cycles are recorded in the plain simulator with the embedded model acting, a plan every 0.6 s; seeds from 20000
on, never used for training. All modes and backends are asked the same questions in the same order and begin without
memories.
"""

_ABOUT = {
    EMBEDDED: "The model that the simulated cell ships with: one token per thing.",
    TEXT: """The released form of answers: 100 depth codes, a trace in digits, action values of several tokens, wording
around them. No small trained model writes it, so this is measured with a stand-in, and only in part real. Real: a
network of the published layout with random weights, about 30 million in the decoder, exported to ONNX, computes every
pass: two pictures, the question, every window of the answer. Real: what changes from one answer to the next, because
each text is what the embedded model answered in that cycle, spelled in the released form with the four columns that it
decides. Not real: that this network says this text. Its scores are overridden so that the recorded text wins. Plain
decoding ran on a sample of the cycles, evenly spread; the modes that learn from earlier answers ran on all of them,
and ratios are of the sample.""",
    TEXT_7: """The same with all seven columns of a row, as released models write them. Here the three angles never
change, so their share of the answer is easier to guess than on a robot that turns its hand: read the passes saved as an
upper end.""",
    RANDOM: """The embedded layout at 8 layers of 512 (about 30 million parameters) with random weights: nothing it
says makes sense, and little of it can be guessed. It shows that exactness does not hang on a trained model, and what
drafts cost where they do not help.""",
}

_SECTIONS = """## What the sections cost

{sections}

## How often guesses are right

Share of the checked guesses that the model would have said itself; guesses behind a wrong one are not checked. Every
right guess saves a pass, a wrong one costs nothing but a wider pass. The chance that a whole window holds falls with
its length; a window ends where that chance becomes small, so a section that is hard to guess costs little more than
in mode `jump`.

{acceptance}

## The modes that are not exact

Distances to the plan of plain decoding for the same frame, embedded model. `continue` is given the rows that will be
done when its plan counts (0.4 s after the frame). They are rows of the recorded plan before, which the arm follows
with some delay, where the model by itself begins anew at the arm: part of that distance is wanted.

{inexact}
"""

_PARITY = """## ONNX Runtime against torch

The embedded model on {prompts} recorded questions, {tokens} tokens: {equal}, largest difference of a score {error:.2g}.
"""

_ROOFLINE = """## The 7B model on a GPU

A pass that decides few tokens is bound by memory: it reads every weight once. The limit is the bytes that a pass reads
over the memory bandwidth that the vendor states. No implementation is faster. Weights are those of the decoder's
blocks in the precision named (int4: with one 16-bit scale per 128 weights), plus the {scored} rows of the output layer
that answers need and the keys and values of {cached} tokens, both in 16 bits. A pass that checks 8, 16 or 32 tokens
reads the same bytes as a pass of one. Orin has no fp8; int8 has the same bytes.

{steps}

Whole answers of eight rows of seven, with the mean passes recorded above. Looking at the pictures and reading the
question come on top: they are bound by computing, not by memory.

{chunks}

To fill the measured columns, on a machine with a GPU: `molmoact bench reasoning --shape 7b-d --device cuda --json
gpu.json`, then write this page from both reports. It makes a network of the released shape with random weights in
bf16 on the GPU, times passes of 1, 8, 16 and 32 tokens (as CUDA graphs and launched one by one), whole plans with the
recorded answers, and a plain loop without any of this.
"""


def written_page(reports: Sequence[dict]) -> str:
    """Return the page for reports, read from JSON: those of a --shape fill the measured columns of the GPU tables."""
    shapes = [report for report in reports if "shape" in report["summary"]]
    others = [report for report in reports if "shape" not in report["summary"]]
    cases = [case for report in others for case in report["cases"]]
    parts = [_HEAD.format(runs="\n".join(map(_run, reports)), modes=tables.modes())]
    for model in [name for name in MODELS if any(case["model"] == name for case in cases)]:
        parts.append(f"## {model}\n\n{_ABOUT[model]}\n\n{tables.figures(cases, model)}\n")
    if cases:
        made = {"sections": tables.sections(cases), "acceptance": tables.acceptance(cases)}
        parts.append(_SECTIONS.format(**made, inexact=tables.inexact(cases)))
    parts += [_parity(report["summary"]) for report in others if "onnx_vs_torch_prompts" in report["summary"]]
    scored, cached = tables.sizes(cases)
    measured = {"steps": tables.steps(cases, shapes), "chunks": tables.chunks(cases, shapes)}
    parts.append(_ROOFLINE.format(scored=scored, cached=cached, **measured))
    return "\n".join(parts)


def _run(report: dict) -> str:
    """Say which command, where and when."""
    around = report["environment"]
    gpu = "without a GPU" if around["gpu"] in ("none", None) else f"with {around['gpu']}"
    arch = next((name for name in ("x86_64", "aarch64") if name in around["platform"]), "other")
    known = around["versions"]
    versions = [f"{name} {known[name]}" for name in ("torch", "onnxruntime") if name in known]
    where = f"{around['cores']}-core {arch} machine {gpu}"
    return f"* `{report['summary']['command']}`: {', '.join([where, around['date'][:10], *versions])}"


def _parity(summary: dict) -> str:
    same = "the same tokens" if summary["onnx_vs_torch_tokens_equal"] else "NOT the same tokens"
    prompts, tokens = summary["onnx_vs_torch_prompts"], summary["onnx_vs_torch_tokens"]
    return _PARITY.format(prompts=prompts, tokens=tokens, equal=same, error=summary["onnx_vs_torch_max_logit_error"])
