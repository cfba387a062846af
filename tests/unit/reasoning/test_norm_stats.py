"""Which statistics apply, and un-normalisation."""

import numpy as np
import pytest

from molmoact_ros.errors import InvalidData
from molmoact_ros.reasoning.norm_stats import action_statistics


def stats(**action):
    return {"k": {"action": {"q01": [-1.0, 0.0, 0.0], "q99": [1.0, 4.0, 1.0]} | action}}


def test_the_only_key_needs_no_name():
    assert action_statistics(stats()).dims == 3
    assert action_statistics(stats(), "k").dims == 3


@pytest.mark.parametrize(
    "norm_stats, key", [({}, None), ({}, "k"), (None, "k"), (stats(), "K"), (stats() | {"other": {}}, None)]
)
def test_keys_that_do_not_resolve_are_refused(norm_stats, key):
    with pytest.raises(ValueError, match="expected"):
        action_statistics(norm_stats, key)


@pytest.mark.parametrize(
    "norm_stats", [{"k": {}}, {"k": {"action": {"q99": [1.0]}}}, {"k": {"action": {"q01": [1.0]}}}]
)
def test_missing_entries_are_key_errors(norm_stats):
    with pytest.raises(KeyError):
        action_statistics(norm_stats, "k")


@pytest.mark.parametrize("mask", [[], None])
def test_a_mask_without_a_last_entry_is_an_index_error(mask):
    with pytest.raises(IndexError):
        action_statistics(stats(mask=mask))


def test_the_last_dimension_is_never_unnormalised():
    rows = action_statistics(stats(mask=[True, True, True])).unnormalise([[0.0, 0.0, 0.5], [1.0, -1.0, -0.5]])
    np.testing.assert_allclose(rows, [[0.0, 2.0, 0.5], [1.0, 0.0, -0.5]])


def test_masked_dimensions_stay_and_a_mask_of_one_masks_all():
    normalised = [0.1, 0.2, 0.3]
    np.testing.assert_array_equal(action_statistics(stats(mask=[0, 1, 1])).unnormalise(normalised), [0.1, 2.4, 0.3])
    np.testing.assert_array_equal(action_statistics(stats(mask=[True])).unnormalise(normalised), normalised)


def test_a_given_mask_is_left_as_it_was():
    mask = np.ones(3, bool)
    action_statistics(stats(mask=mask))
    assert mask.all()


def test_bounds_are_float32_and_the_rest_float64():
    statistics = action_statistics(stats(q01=[0.1, 0.0, 0.0], q99=[0.7, 1.0, 1.0]))
    low, high = np.float32(0.1), np.float32(0.7)
    assert statistics.unnormalise([0.3, 0.0, 0.0])[0] == 0.5 * 1.3 * float(high - low) + float(low)


@pytest.mark.parametrize("wrong", [{"q99": [1.0, 2.0]}, {"mask": [True, True]}])
def test_lengths_that_do_not_fit_show_when_they_are_used(wrong):
    statistics = action_statistics(stats(**wrong))
    with pytest.raises(ValueError):
        statistics.unnormalise([0.0, 0.0, 0.0])
    with pytest.raises(InvalidData, match="one length"):
        statistics.require_whole()


@pytest.mark.parametrize("q99", [[1.0, 0.0, 1.0], [1.0, -1.0, 1.0], [1.0, float("nan"), 1.0]])
def test_a_cell_wants_ranges_that_are_ranges(q99):
    with pytest.raises(InvalidData, match="q99"):
        action_statistics(stats(q99=q99)).require_whole()
    action_statistics(stats(q99=[1.0, 4.0, 0.0])).require_whole()
