"""Sentences and answers as ids."""

import numpy as np
import pytest

from molmoact_ros.reasoning.token_parser import parse
from molmoact_ros.reasoning.vocabulary import (
    UnknownWords,
    answer_ids,
    depth_ids,
    instruction_ids,
    prompt_ids,
    prompt_length,
)
from molmoact_ros.runtime.contract import TokenLayout

LAYOUT = TokenLayout(("blue", "cube", "pick", "red", "the", "up"))


def test_a_sentence_is_spelled_the_same_whatever_its_case_and_punctuation():
    spelled = instruction_ids(LAYOUT, "Pick up the RED cube!")
    assert spelled == instruction_ids(LAYOUT, "pick up the red cube")
    assert len(spelled) == LAYOUT.max_words
    assert spelled != instruction_ids(LAYOUT, "pick up the blue cube")


@pytest.mark.parametrize("sentence", ["", "...", "pick up the purple cube", "pick " * (LAYOUT.max_words + 1)])
def test_what_cannot_be_spelled_is_refused_with_the_known_words(sentence):
    with pytest.raises(UnknownWords, match="blue cube pick red the up"):
        instruction_ids(LAYOUT, sentence)


def test_the_prompt_has_the_same_length_for_every_instruction():
    for sentence in ("pick", "pick up the red cube"):
        assert len(prompt_ids(LAYOUT, 15, sentence, [0, 1, 2, 254])) == prompt_length(LAYOUT, 15)


def test_an_answer_is_parsed_back_to_what_was_spelled():
    rng = np.random.default_rng(0)
    codes, trace, bins = rng.integers(0, 128, (10, 10)), rng.integers(0, 256, (5, 2)), rng.integers(0, 255, (8, 4))
    parts = parse(LAYOUT, np.concatenate([depth_ids(LAYOUT, codes), answer_ids(LAYOUT, trace, bins)]), 4)
    np.testing.assert_array_equal(parts.codes, codes)
    np.testing.assert_array_equal(parts.trace, trace)
    np.testing.assert_array_equal(parts.bins, bins)


def test_the_kinds_of_tokens_do_not_overlap():
    t = LAYOUT
    firsts = [t.first_word, t.depth_0, t.coordinate_0, t.bin_0, t.size]
    assert firsts == sorted(firsts) and np.diff(firsts).tolist() == [6, 128, 256, 255]
