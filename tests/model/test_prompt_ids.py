"""Whole prompts as ids: places of images, BOS, batches, and words that must not become control tokens."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.errors import InvalidData
from molmoact_ros.evaluation.parity.prompts import image_string, run
from molmoact_ros.model.prompt_ids import (
    ImageTokens,
    batch_ids,
    check_instruction,
    insert_bos,
    left_pad,
    position_ids,
    prompt_ids,
)
from molmoact_ros.model.tokenizer import load_tokenizer
from molmoact_ros.reasoning.prompts import tidy_instruction

ROOT = Path(__file__).parents[2]
QWEN2 = load_tokenizer(ROOT / "models/qwen2_tokenizer")
SHARED = ROOT.parent / "shared/golden/molmoact_v1"
TEXT = "User: close the box Assistant:"
BOS, START, END, PATCH, COLUMN = 151643, 152064, 152065, 152066, 152067
IMAGE_1 = [1906, 220, 16]


class Letters:
    """A tokeniser that says little: a letter's code, and nothing about images."""

    bos_id, pad_id, image_tokens, added_tokens = 1, 0, None, {"   ": 3, "|||IP|||": 4}

    def encode(self, text):
        return [ord(letter) for letter in text]


def test_ids_of_the_processor_agree_with_the_reference():
    if not SHARED.is_dir():
        pytest.skip(f"no golden data in '{SHARED}'")
    cases = [case for case in run(SHARED, QWEN2) if case.group == "processor"]
    assert len(cases) == 27
    assert [case for case in cases if not case.passed] == []


def test_an_image_is_laid_out_row_by_row_twice():
    ids = prompt_ids(QWEN2, TEXT, np.array([(1, 2), (2, 1)]), nested=False)
    places = [START, PATCH, PATCH, COLUMN, END, START, PATCH, COLUMN, PATCH, COLUMN, END]
    assert ids.dtype == np.int64
    assert ids.tolist() == [BOS, *places, *QWEN2.encode(TEXT)]


def test_only_nested_images_have_numbers():
    grids = ((1, 1),) * 4
    one, two = (prompt_ids(QWEN2, TEXT, grids[:n], nested=True).tolist() for n in (2, 4))
    assert one[:5] == [BOS, *IMAGE_1, START]
    assert two[:12] == [BOS, *IMAGE_1, START, PATCH, COLUMN, END, START, PATCH, COLUMN, END]
    assert two[12:16] == [*QWEN2.encode("Image 2"), START]


def test_text_alone_has_bos_and_no_number():
    assert prompt_ids(QWEN2, TEXT, (), nested=True).tolist() == [BOS, *QWEN2.encode(TEXT)]


GRIDS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=6).filter(lambda g: len(g) % 2 == 0)
WORDS = st.lists(
    st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(sorted(QWEN2.added_tokens)))
).map("".join)


@settings(deadline=None)
@given(GRIDS, st.booleans(), WORDS)
def test_pieces_give_the_ids_of_the_whole_string(grids, nested, text):
    whole = QWEN2.encode(image_string(grids, nested) + text)
    assert prompt_ids(QWEN2, text, grids, nested).tolist() == ([] if whole[:1] == [BOS] else [BOS]) + whole


@pytest.mark.parametrize(
    "grids", [((1, 1),), ((1, 1), (0, 2)), ((1, 1), (-1, -1)), ((1, 2, 3), (1, 2)), ((1.5, 2),) * 2]
)
def test_grids_that_are_none_are_refused(grids):
    with pytest.raises(InvalidData, match="pairs .h, w. of positive counts"):
        prompt_ids(QWEN2, TEXT, grids, nested=True)


def test_images_need_a_tokeniser_with_image_tokens():
    with pytest.raises(InvalidData, match="without image tokens"):
        prompt_ids(Letters(), TEXT, ((1, 1), (1, 1)), nested=False)
    assert prompt_ids(Letters(), "a", (), nested=False).tolist() == [1, 97]


def test_bos_is_not_doubled_in_a_row_but_in_a_mixed_batch():
    with_bos, without = np.array([7, 5]), np.array([5])
    assert [row.tolist() for row in insert_bos([with_bos], 7)] == [[7, 5]]
    assert [row.tolist() for row in insert_bos([with_bos, without], 7)] == [[7, 7, 5], [7, 5]]
    assert prompt_ids(QWEN2, "<|endoftext|>go", (), nested=False).tolist() == [BOS, *QWEN2.encode("go")]


def test_a_batch_is_padded_on_the_left():
    ids, mask = left_pad([np.array([5, 6, 7]), np.array([8])], 9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 8]] and mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert position_ids(mask).tolist() == [[0, 1, 2], [1, 1, 0]]
    assert {ids.dtype, mask.dtype, position_ids(mask).dtype} == {np.dtype(np.int64)}


def test_the_mask_knows_pads_from_bos_where_both_have_one_id():
    ids, mask = batch_ids(QWEN2, ["go", "go on"], [(), ((1, 1), (1, 1))], nested=False)
    single = prompt_ids(QWEN2, "go", (), nested=False)
    assert QWEN2.pad_id == QWEN2.bos_id
    assert mask.sum(1).tolist() == [len(single), ids.shape[1]]
    assert ids[0, -len(single) :].tolist() == single.tolist()


def test_a_batch_without_rows_or_with_other_grids_is_refused():
    with pytest.raises(InvalidData, match="without rows"):
        left_pad([], 0)
    with pytest.raises(InvalidData, match="2 texts and 1 tuples"):
        batch_ids(QWEN2, ["a", "b"], [()], nested=False)


CONTROL = [
    ("use <im_patch> literally", "<im_patch>"),
    ("<DEPTH_3>", "<DEPTH_3>"),
    ("stop<|endoftext|>", "<|endoftext|>"),
    ("a |<EXTRA_TOKENS_12>| b", r"\|<EXTRA_TOKENS_12>\|"),
    ("<im_end>\u0338", "<im_end>"),
    ("<IM_PATCH>", "<im_patch>"),
    ("</tool_call>", "</tool_call>"),
]


@pytest.mark.parametrize("instruction, token", CONTROL)
def test_control_tokens_in_an_instruction_are_refused(instruction, token):
    with pytest.raises(InvalidData, match=token.replace("|", "\\|") if "\\" not in token else token):
        check_instruction(QWEN2, instruction)


@pytest.mark.parametrize("instruction", ["close the box", "", "2 < 3 > 1 | im_patch", "<DEPTH_128>", "\u65e5\u672c"])
def test_plain_words_are_accepted(instruction):
    check_instruction(QWEN2, instruction)


def test_blank_added_tokens_are_no_control_tokens():
    check_instruction(Letters(), "two   spaces")
    with pytest.raises(InvalidData, match="control token"):
        check_instruction(Letters(), "at |||IP|||")


@settings(deadline=None)
@given(WORDS)
def test_what_is_accepted_has_no_added_token_even_when_tidied(text):
    try:
        check_instruction(QWEN2, text)
    except InvalidData:
        return
    added = set(QWEN2.added_tokens.values())
    for instruction in (text, tidy_instruction(text), f"User: The task is {text}. Assistant:"):
        assert not added & set(QWEN2.encode(instruction))


def test_image_tokens_are_ids():
    assert QWEN2.image_tokens == ImageTokens(START, END, PATCH, COLUMN)
