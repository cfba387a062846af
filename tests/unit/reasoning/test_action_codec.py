"""Action bins."""

import numpy as np
import pytest

from molmoact_ros.errors import InvalidData
from molmoact_ros.reasoning.action_codec import BIN_CENTRES, BINS, ActionCodec

CODEC = ActionCodec([-0.1, 0.2, 0.0], [0.3, 0.8, 1.0])


def test_bin_centres_are_those_of_the_paper():
    assert BINS == 255
    assert BIN_CENTRES[127] == pytest.approx(0.0, abs=1e-15)
    assert BIN_CENTRES[-1] == pytest.approx(0.99607843, abs=1e-8)


def test_every_bin_survives_decoding_and_encoding():
    bins = np.repeat(np.arange(BINS)[:, None], 3, axis=1)
    np.testing.assert_array_equal(CODEC.encode(CODEC.decode(bins)), bins)


def test_a_value_comes_back_within_half_a_step():
    values = np.random.default_rng(0).uniform(CODEC.q01, CODEC.q99, (500, 3))
    half = (CODEC.q99 - CODEC.q01) / BINS / 2
    assert np.all(np.abs(CODEC.decode(CODEC.encode(values)) - values) <= half + 1e-12)


def test_values_outside_go_to_the_ends():
    np.testing.assert_array_equal(CODEC.encode([-9.0, 9.0, 0.5]), [0, 254, 127])


@pytest.mark.parametrize("bins", [[-1, 0, 0], [0, 255, 0]])
def test_bins_that_do_not_exist_are_refused(bins):
    with pytest.raises(InvalidData, match="0..254"):
        CODEC.decode(bins)


def test_statistics_without_spread_are_refused():
    with pytest.raises(InvalidData, match="q99"):
        ActionCodec([0.0, 1.0], [1.0, 1.0])
