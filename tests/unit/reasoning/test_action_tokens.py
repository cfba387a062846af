"""Action bins as written text, and the published encoder."""

import numpy as np
import pytest
from answer_texts import vocabulary

from molmoact_ros.errors import InvalidData
from molmoact_ros.reasoning.action_codec import BIN_CENTRES, BINS
from molmoact_ros.reasoning.action_tokens import (
    ACTION_STRINGS,
    bin_of,
    digits,
    encode_inverting_gripper,
    normalise_inverting_gripper,
    string_of,
    written_chunk,
)

Q01, Q99 = [-0.1, -0.2, 0.0, -1.0, -1.0, 0.5, 0.0], [0.1, 0.3, 1.0, 1.0, 1.0, 0.5, 1.0]


def test_the_strings_are_the_last_256_of_the_vocabulary():
    assert [vocabulary()[string] for string in ACTION_STRINGS] == [151643 - d for d in range(1, 257)]


def test_256_strings_stand_for_255_bins():
    assert [bin_of(string) for string in ACTION_STRINGS] == [*range(255), 254]
    assert [bin_of(string_of(b)) for b in range(BINS)] == list(range(BINS))


@pytest.mark.parametrize("string", ["", " ", "a", "Ġ", ACTION_STRINGS[0] * 2, ACTION_STRINGS[5] + " ", "<DEPTH_1>"])
def test_other_strings_have_no_bin(string):
    assert bin_of(string) is None


@pytest.mark.parametrize("bin_index", [-1, 255, 1000])
def test_bins_that_do_not_exist_have_no_string(bin_index):
    with pytest.raises(InvalidData, match="0..254"):
        string_of(bin_index)


def test_digits_of_bounds_and_of_what_lies_outside():
    np.testing.assert_array_equal(digits([-9.0, -1.0, 0.0, 0.9999999, 1.0, 9.0]), [1, 1, 128, 255, 256, 256])


def test_the_gripper_is_inverted_and_nothing_else():
    normalised = normalise_inverting_gripper([0.1, 0.3, 0.5, 0.0, -9.0, 7.0, 1.0], Q01, Q99)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, [1.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0], atol=1e-6)
    assert normalise_inverting_gripper([0.0] * 7, Q01, Q99)[-1] == 1.0


def test_dimensions_after_the_gripper_stay_raw_and_fewer_have_none():
    more = normalise_inverting_gripper([0.0] * 6 + [0.25, 0.7, -3.0], Q01 + [0.0, 0.0], Q99 + [1.0, 1.0])
    np.testing.assert_allclose(more[6:], [0.75, 0.7, -3.0], rtol=1e-6)
    np.testing.assert_allclose(normalise_inverting_gripper([0.1, 0.3], Q01[:2], Q99[:2]), [1.0, 1.0], atol=1e-6)


def test_encoding_comes_back_within_half_a_bin():
    values = np.random.default_rng(0).uniform(Q01, Q99)
    values[-1] = 0.0
    strings = encode_inverting_gripper(values, Q01, Q99)
    back = BIN_CENTRES[[bin_of(string) for string in strings]]
    np.testing.assert_allclose(back, normalise_inverting_gripper(values, Q01, Q99), atol=1 / 255 + 1e-6)


def test_a_nan_is_never_written():
    with pytest.raises(InvalidData, match="NaN"):
        encode_inverting_gripper([0.0, float("nan"), 0, 0, 0, 0, 0], Q01, Q99)


def test_a_chunk_is_written_with_a_space_after_each_comma():
    assert written_chunk([["a", "b"], ["c", "d"]]) == "[[a, b], [c, d]]"
