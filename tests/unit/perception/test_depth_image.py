"""Metric depth to the picture that the tokenizer reads, and tokens around an injected network."""

import numpy as np
import pytest

from molmoact_ros.perception.depth_image import IMAGE_SIZE, inverse_depth
from molmoact_ros.perception.depth_tokenizer import DepthTokenizer

RAMP = np.tile(np.linspace(0.5, 2.0, 240, dtype=np.float32)[:, None], (1, 320))


def test_near_is_one_far_is_zero_and_metres_come_back():
    picture = inverse_depth(RAMP)
    assert picture.image.shape == (IMAGE_SIZE, IMAGE_SIZE) and picture.image.dtype == np.float32
    assert picture.image.min() == 0 and picture.image.max() == 1 and picture.image[0, 0] == 1
    assert picture.metres()[0, 0] == pytest.approx(0.5) and picture.metres()[-1, -1] == pytest.approx(2.0)


@pytest.mark.parametrize("hole", [0.0, -1.0, np.nan, np.inf, 0.01])
def test_holes_take_a_nearest_reading(hole):
    depth = RAMP.copy()
    depth[100:110, 50:60] = hole
    difference = np.abs(inverse_depth(depth).image - inverse_depth(RAMP).image)
    assert difference.max() < 0.06 and difference[:, 100:].max() == 0


def test_one_flying_pixel_does_not_set_the_range():
    depth = RAMP.copy()
    depth[120, 160] = 0.21
    assert np.allclose(inverse_depth(depth).image, inverse_depth(RAMP).image, atol=1e-3)


def test_far_is_clipped():
    depth = RAMP.copy()
    depth[-20:] = 40.0
    assert inverse_depth(depth, far_m=3.0).low_per_m == pytest.approx(1 / 3)


@pytest.mark.parametrize("depth", [np.zeros((24, 32)), np.full((24, 32), np.nan), np.zeros((0, 0))])
def test_a_blind_camera_gives_nothing(depth):
    assert inverse_depth(depth) is None
    assert DepthTokenizer(None, None, 128).encode(depth, 5) is None


def test_a_flat_wall_is_not_stretched_to_noise():
    wall = (1.0 + np.random.default_rng(0).normal(0, 1e-4, (240, 320))).astype(np.float32)
    assert np.ptp(inverse_depth(wall).image) < 0.1


def test_tokens_carry_stamp_and_source():
    seen = []
    tokenizer = DepthTokenizer(lambda image: seen.append(image) or np.arange(100).reshape(10, 10), None, 128)
    tokens = tokenizer.encode(RAMP, 42)
    assert tokens.stamp_ns == 42 and tokens.source == "sensor" and tokens.codes.shape == (10, 10)
    assert seen[0].shape == (IMAGE_SIZE, IMAGE_SIZE)


def test_reconstruction_is_stretched_to_the_whole_range():
    tokenizer = DepthTokenizer(lambda _: np.zeros((10, 10)), lambda codes: RAMP[:, :240] - 3, 128)
    picture = tokenizer.reconstruct(tokenizer.encode(RAMP, 0))
    assert picture.dtype == np.uint8 and picture.min() == 0 and picture.max() == 255
