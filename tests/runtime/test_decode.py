"""The decode loop over a real network with random weights: whatever it prefers, the grammar makes it an answer."""

import numpy as np
import pytest
import torch

from molmoact_ros.model.config import embedded
from molmoact_ros.model.network import MolmoActNetwork
from molmoact_ros.reasoning.token_parser import parse
from molmoact_ros.reasoning.vocabulary import prompt_ids, prompt_length
from molmoact_ros.runtime.decode import decode
from molmoact_ros.runtime.grammar import Grammar
from molmoact_ros.runtime.torch_runtime import TorchRuntime

WORDS = ("cube", "pick", "red", "the", "up")
ACTIONS = 32


def _runtime(seed: int) -> TorchRuntime:
    torch.manual_seed(seed)
    network = MolmoActNetwork(embedded(WORDS))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return TorchRuntime(network)


def _ask(runtime, **options):
    head = prompt_length(runtime.tokens, runtime.image_tokens)
    ids = prompt_ids(runtime.tokens, runtime.image_tokens, "pick up the red cube", [1, 2, 3, 4])
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    return decode(runtime, Grammar(runtime.tokens, ACTIONS, head), ids, image, **options), ids, image


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_answer_is_well_formed(seed):
    runtime = _runtime(seed)
    answer, _, _ = _ask(runtime)
    if answer.empty_trace:
        assert answer.ids[-1] == runtime.tokens.trace_start
    else:
        assert parse(runtime.tokens, answer.ids, 4).bins.shape == (8, 4)


def test_the_cached_answer_equals_one_pass_over_the_whole_sequence():
    runtime = _runtime(1)
    answer, ids, image = _ask(runtime)
    whole = np.concatenate([ids, answer.ids])
    grammar = Grammar(runtime.tokens, ACTIONS, len(ids))
    for cut in (len(ids), len(ids) + 40, len(whole) - 3):
        logits = runtime.prefill(whole[:cut], image)
        allowed = grammar.allowed(cut)
        assert whole[cut] == allowed[np.argmax(logits[allowed])]


def test_forced_tokens_cost_no_pass():
    answer, _, _ = _ask(_runtime(1))
    decisions = 100 + 10 + ACTIONS
    assert answer.passes <= decisions + 1


def test_an_answer_can_be_cancelled():
    calls = iter([False] * 5 + [True] * 1000)
    answer, _, _ = _ask(_runtime(0), cancelled=lambda: next(calls))
    assert answer is None
