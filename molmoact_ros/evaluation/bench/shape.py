"""A network of the published shape on a GPU: what a pass costs, alone and in whole plans, beside a plain loop."""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Sequence

from ...errors import missing_package
from ...model.config import NetworkConfig, molmoact_7b_d
from ...places import data_root
from ...reasoning.text_form import TextForm
from ..report import environment, percentile
from .cases import cases_of
from .cycles import Cycle
from .measure import Subject, run
from .models import TEXT_7, text_manifest, text_subject, texts_of
from .modes import BEST, EXACT, MODES
from .roofline import GPUS, gpu_of, pass_bytes, pass_ms

STEPS = (1, 8, 16, 32)
REPEATS = 20
LOOP, EAGER, GRAPHS = "generate loop", "pass", "recorded pass"
_TOKENIZER = "models/qwen2_tokenizer"


def tiny() -> NetworkConfig:
    """Return the published layout with hardly any weights, to try the way on a CPU."""
    config, small = molmoact_7b_d(), {"hidden_size": 16, "num_attention_heads": 2, "head_dim": 8}
    small |= {"num_key_value_heads": 1, "intermediate_size": 32}
    eye = {**small, "num_key_value_heads": 2, "num_hidden_layers": 9, "projector_size": 32}
    pooling = {"pooling_size": 16, "pooling_heads": 2, "pooling_key_value_heads": 2, "pooling_head_dim": 8}
    decoder = replace(config.decoder, **small, num_hidden_layers=2)
    return replace(config, decoder=decoder, vit=replace(config.vit, **eye, **pooling))


SHAPES = {"7b-d": molmoact_7b_d, "tiny": tiny}


def require(device: str) -> None:
    """Refuse a device that is not there before anything is prepared. MissingPart."""
    network_of(tiny(), device)


def measure(shape: str, device: str, cycles: Sequence[Cycle], sample: int, window: int) -> tuple[dict, list[dict]]:
    """Return the summary and the cases of one shape: steps of k tokens, a plain loop, and whole plans."""
    config = SHAPES[shape]()
    network = network_of(config, device)
    with TemporaryDirectory() as work:
        form = TextForm(chat_of(config), text_manifest(Path(work), 7))
        backend = f"torch {device}"
        asked = (shape, backend)
        single, whole = (runtime_of(network, form.grammar.legal, graphs) for graphs in (False, True))
        subject = replace(text_subject(shape, whole, form, cycles), backend=backend)
        cases = _steps(asked, EAGER, single, subject, config) + _steps(asked, GRAPHS, whole, subject, config)
        cases.append(_loop(asked, network, subject))
        outcomes = run(subject, [MODES[name] for name in EXACT], window, sample)
        plans = cases_of(subject, outcomes)
    figures = {"identical": all(case["identical"] for case in plans), "shape": shape, "device": device}
    best = next(case for case in plans if case["mode"] == BEST)
    figures |= {name: best[name] for name in ("passes_ratio", "time_ratio")}
    return figures | {"answers_as": TEXT_7}, cases + plans


def network_of(config: NetworkConfig, device: str):
    """Make a network with random weights: bf16 on a GPU, fp32 on a CPU. MissingPart."""
    try:
        from ...runtime.yardstick import random_network
    except ImportError as error:
        raise missing_package(error.name or "torch", "model") from error
    return random_network(config, "float32" if device == "cpu" else "bfloat16", device)


def runtime_of(network, legal, graphs: bool):
    """Run it with torch; graphs: passes of fixed sizes, recorded where there is a GPU."""
    from ...runtime.torch_runtime import TorchRuntime

    return TorchRuntime(network, legal=legal, graphs=graphs)


def chat_of(config: NetworkConfig):
    """Return the published tokenizer and image settings."""
    from ...model.image_processor import ImageProcessor, ImageProcessorConfig
    from ...model.processor import Processor
    from ...model.tokenizer import load_tokenizer
    from ...runtime.chat import Chat

    images = ImageProcessor(ImageProcessorConfig.molmoact_7b_d())
    return Chat(config, Processor(load_tokenizer(data_root() / _TOKENIZER), images))


def _steps(asked, way: str, runtime, subject: Subject, config: NetworkConfig) -> list[dict]:
    """Time passes of k tokens after a question; share: the time that memory alone would need, over the time taken."""
    cycle = subject.cycles[0]
    ids = texts_of(subject.form, cycle)
    question = subject.form.question(cycle.frame, cycle.instruction)
    runtime.prefill(question, ids[:0])
    start, cases = runtime.length, []
    gpu = gpu_of(environment()["gpu"])
    for count in STEPS:
        times = []
        for _ in range(REPEATS + 3):
            began = time.perf_counter()
            runtime.extend(ids[:count])
            times.append((time.perf_counter() - began) * 1e3)
            runtime.rewind(start)
        ms = percentile(times[3:], 50)
        size = pass_bytes(config.decoder, "bf16", len(runtime.legal), start)
        limit = pass_ms(size, GPUS[gpu]) if gpu and not asked[1].endswith("cpu") else None
        cases.append(_timed(asked, f"{way} of {count}", ms, {"k": count, "bytes": size, "limit_ms": limit}))
    return cases


def _timed(asked, mode: str, ms: float, more: dict) -> dict:
    limit = more.get("limit_ms")
    share = limit / ms if limit else None
    return {"model": asked[0], "backend": asked[1], "mode": mode, "ms_p50": ms, "share_of_limit": share, **more}


def _loop(asked, network, subject: Subject) -> dict:
    """Time a loop without grammar, drafts or static shapes over as many tokens as an answer has."""
    from ...runtime.yardstick import plain_loop

    cycle = subject.cycles[0]
    question, most = subject.form.question(cycle.frame, cycle.instruction), len(texts_of(subject.form, cycle))
    spent = {}
    for count in (1, most, 1, most):  # the second time counts
        began = time.perf_counter()
        plain_loop(network, question, count)
        spent[count] = (time.perf_counter() - began) * 1e3
    per_token = (spent[most] - spent[1]) / (most - 1)
    return _timed(asked, LOOP, spent[most], {"tokens_mean": most, "passes_p50": most, "ms_per_token": per_token})
