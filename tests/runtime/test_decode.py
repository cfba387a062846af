"""The decode loop over a real network with random weights: whatever it prefers, an answer; whatever the draft, the same."""

import numpy as np
import pytest
import torch

from molmoact_ros.errors import InvalidData
from molmoact_ros.model.config import embedded
from molmoact_ros.model.network import MolmoActNetwork
from molmoact_ros.reasoning.drafts import Drafts
from molmoact_ros.reasoning.token_parser import parse
from molmoact_ros.reasoning.vocabulary import prompt_ids
from molmoact_ros.runtime.compact_grammar import NOTHING, compact_grammar
from molmoact_ros.runtime.contract import Question
from molmoact_ros.runtime.decode import PLAIN, Hints, Known, Pace, decode
from molmoact_ros.runtime.torch_runtime import TorchRuntime

WORDS = ("cube", "pick", "red", "the", "up")
ROWS, DIMS = 8, 4
GRAMMAR = compact_grammar(embedded(WORDS).tokens, ROWS, DIMS)
# Depth with its brackets, the trace with its brackets, the chunk with its start and end.
TOKENS = 102 + 12 + ROWS * DIMS + 2


def _runtime(seed: int) -> TorchRuntime:
    torch.manual_seed(seed)
    network = MolmoActNetwork(embedded(WORDS))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return TorchRuntime(network)


def _question(runtime, seed: int = 0) -> Question:
    config = runtime.config
    ids = prompt_ids(config.tokens, config.image_tokens, "pick up the red cube", [1, 2, 3, 4])
    return Question(ids, np.random.default_rng(seed).integers(0, 255, (120, 160, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def runtime():
    return _runtime(1)


@pytest.fixture(scope="module")
def plain(runtime):
    return decode(runtime, GRAMMAR, _question(runtime), pace=PLAIN)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_answer_is_well_formed(seed):
    runtime = _runtime(seed)
    answer = decode(runtime, GRAMMAR, _question(runtime))
    if answer.values.get(("u", 0)) == NOTHING:
        assert answer.ids[-1] == runtime.config.tokens.trace_end
    else:
        assert parse(runtime.config.tokens, answer.ids, DIMS).bins.shape == (ROWS, DIMS)


def test_the_cached_answer_equals_one_pass_over_the_whole_sequence(runtime, plain):
    scores, state = runtime.prefill(_question(runtime), plain.ids), GRAMMAR.start
    for row, token in zip(scores, plain.ids):
        assert token == GRAMMAR.choose(state, row, np.arange(len(row)))
        state = GRAMMAR.next(state, token)


def test_plain_is_one_token_per_pass_and_what_is_forced_costs_none(runtime, plain):
    jump = decode(runtime, GRAMMAR, _question(runtime), pace=Pace(0))
    assert plain.passes == len(plain.ids) == TOKENS
    assert jump.passes == 100 + 10 + ROWS * DIMS
    np.testing.assert_array_equal(jump.ids, plain.ids)


def test_the_right_draft_is_read_in_windows(runtime, plain):
    told = decode(runtime, GRAMMAR, _question(runtime), Hints(draft=Known(plain.values)), Pace(16, 0.0))
    np.testing.assert_array_equal(told.ids, plain.ids)
    # the first decision of each pass comes from the pass before
    assert told.passes <= -(-TOKENS // 17) + 1
    checked = [cost for cost in told.costs.values() if cost.drafted]
    assert checked and all(cost.accepted == cost.drafted for cost in checked)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("window", [1, 4, 16, 64])
def test_no_draft_changes_the_answer(runtime, plain, share, window):
    rng = np.random.default_rng(window)
    slots = {slot.name: list(slot.options.spellings) for slot in GRAMMAR.slots}
    draft = {n: v if rng.random() < share else rng.choice(slots[n]) for n, v in plain.values.items() if n != ("u", 0)}
    told = decode(runtime, GRAMMAR, _question(runtime), Hints(draft=Known(draft)), Pace(window, 0.0))
    np.testing.assert_array_equal(told.ids, plain.ids)
    assert told.values == plain.values and told.passes <= plain.passes


def test_learned_drafts_change_nothing_and_get_better(runtime):
    drafts, passes = Drafts(), []
    for cycle in range(6):
        question = _question(runtime, seed=cycle % 2)
        plain = decode(runtime, GRAMMAR, question, pace=PLAIN)
        drafts.begin({("depth", i): 5 for i in range(100)}, {}, None)
        answer = decode(runtime, GRAMMAR, question, Hints(draft=drafts))
        np.testing.assert_array_equal(answer.ids, plain.ids)
        drafts.learn(answer)
        passes.append(answer.passes)
    assert min(passes[4:]) < passes[0]


def test_given_values_stand_and_cost_no_pass(runtime, plain):
    given = {("depth", i): i for i in range(100)} | {("action", 0, c): 10 + c for c in range(DIMS)}
    answer = decode(runtime, GRAMMAR, _question(runtime), Hints(given), Pace(0))
    assert {name: answer.values[name] for name in given} == given
    assert answer.passes == 10 + (ROWS - 1) * DIMS
    slow = decode(runtime, GRAMMAR, _question(runtime), Hints(given), PLAIN)
    np.testing.assert_array_equal(slow.ids, answer.ids)
    assert slow.passes == TOKENS


def test_progress_is_heard_in_order(runtime):
    heard = []
    answer = decode(runtime, GRAMMAR, _question(runtime), pace=Pace(0), heard=lambda values: heard.append(len(values)))
    assert heard == sorted(heard) and heard[-1] == len(answer.values) and len(heard) > 100


def test_an_answer_can_be_cancelled(runtime):
    calls = iter([False] * 5 + [True] * 1000)
    assert decode(runtime, GRAMMAR, _question(runtime), stop=lambda: next(calls)) is None


def test_costs_add_up(runtime, plain):
    sections = {name: cost for name, cost in plain.costs.items() if name not in ("vision", "prefill")}
    assert sum(cost.tokens for cost in sections.values()) == len(plain.ids)
    assert plain.costs["prefill"].tokens == len(_question(runtime).ids)
    assert set(plain.latency_ms) == {"vision", "prefill", "depth", "trace", "action"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_no_answer(value):
    runtime = _runtime(0)
    with torch.no_grad():
        runtime.network.model.transformer.ln_f.weight[0] = value
    with pytest.raises(InvalidData, match="NaN or infinite"):
        decode(runtime, GRAMMAR, _question(runtime))
