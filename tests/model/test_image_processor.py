"""Images to tensors: against the reference implementation's tensors, and what must hold for any image."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.errors import InvalidData
from molmoact_ros.evaluation.parity.images import run
from molmoact_ros.evaluation.parity.png import read_rgb
from molmoact_ros.model.image_processor import ImageProcessor, ImageProcessorConfig, collate
from molmoact_ros.model.tiling import (
    CropGeometry,
    choose_tiling,
    cut_crops,
    owned_patches,
    patchify,
    pooled_grid,
)

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "molmoact_v1"
COPIED = Path(__file__).parent / "golden" / "images"
TINY = ImageProcessorConfig(
    base_image_input_size=(40, 40),
    image_patch_size=8,
    overlap_margins=(1, 1),
    max_crops=6,
    max_multi_image_crops=2,
)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def failures(folder: Path) -> list:
    return [case for case in run(folder) if not case.passed]


def test_every_golden_case_agrees_with_the_reference():
    if not GOLDEN.is_dir():
        pytest.skip("no golden data beside this checkout")
    cases = list(run(GOLDEN))
    assert [case for case in cases if not case.passed] == []
    assert {case.group for case in cases} == {"processor", "processor_clip336", "tiny_model"}


def test_the_copied_cases_agree_with_the_reference():
    assert [case.name for case in run(COPIED)] == ["olmo_1img/preprocessing", "qwen_2img/preprocessing"]
    assert failures(COPIED) == []


@pytest.mark.parametrize(
    "setting, ids_exact",
    [({"normalize_mode": "siglip"}, True), ({"overlap_margins": [0, 1]}, False), ({"crop_mode": "resize"}, None)],
)
def test_a_disagreement_is_a_failed_case(tmp_path, setting, ids_exact):
    model = tmp_path / "tiny_model" / "olmo_1img"
    shutil.copytree(COPIED / "tiny_model" / "olmo_1img", model)
    path = model / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | setting))
    (case,) = failures(tmp_path)
    assert case.detail and case.ids_exact is ids_exact


def test_a_folder_without_images_has_no_cases(tmp_path):
    assert list(run(tmp_path)) == []


def test_a_small_image_gives_two_identical_crops():
    tensors = ImageProcessor(ImageProcessorConfig.molmoact_7b_d()).process([picture(378, 200)])
    assert tensors.images.shape == (2, 729, 588) and tensors.images.dtype == torch.float32
    assert torch.equal(tensors.images[0], tensors.images[1])
    assert tensors.pooled_patches_idx.shape == (392, 4) and tensors.grids == ((14, 14), (14, 14))
    assert tensors.pooled_patches_idx.dtype == torch.int64 and bool((tensors.image_masks == 1).all())


def test_the_padding_of_a_second_image_names_the_last_patch_before_it():
    both = ImageProcessor(TINY).process([picture(40, 40), picture(30, 20)])
    first = ImageProcessor(TINY).process([picture(40, 40)])
    rows = len(first.pooled_patches_idx)
    assert torch.equal(both.pooled_patches_idx[:rows], first.pooled_patches_idx)
    assert int(both.pooled_patches_idx[:rows].min()) == -1
    assert int(both.pooled_patches_idx[rows:].min()) == first.image_masks.numel() - 1
    assert both.grids == first.grids * 2


def test_a_list_of_images_has_its_own_limit_of_crops():
    processor, image = ImageProcessor(TINY), picture(64, 88)
    assert len(processor.process([image], nested=False).images) == 1 + 6
    assert len(processor.process([image], nested=True).images) == 1 + 2


@pytest.mark.parametrize(
    "height, width, tiling",
    [(60, 1000, (1, 1)), (1, 1, (1, 1)), (112, 112, (1, 1)), (112, 644, (1, 2)), (480, 640, (2, 2))],
)
def test_a_side_shorter_than_the_margins_forces_one_crop(height, width, tiling):
    assert choose_tiling(height, width, ImageProcessorConfig().geometry, 8) == tiling


def test_the_longer_side_fills_the_crop_and_the_rest_is_masked():
    config = ImageProcessorConfig(
        base_image_input_size=(32, 32), image_patch_size=8, overlap_margins=(1, 1), resize_mode="default"
    )
    tensors = ImageProcessor(config).process([np.full((10, 20, 3), 255, np.uint8)])
    assert tensors.image_masks[0].reshape(4, 4).tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]
    assert tensors.images[0].reshape(4, 4, -1)[:, 0, 0].tolist() == [-1, 1, 1, -1]


def test_rows_of_a_batch_are_filled_with_minus_one():
    rows = [ImageProcessor(TINY).process(images) for images in ([picture(40, 40)], [picture(40, 40)] * 2)]
    images, masks, index = collate(rows)
    assert images.shape == (2, 4, 25, 192) and masks.shape == (2, 4, 25) and index.shape == (2, 36, 4)
    assert all(bool((part == -1).all()) for part in (images[0, 2:], masks[0, 2:], index[0, 18:]))
    assert torch.equal(images[1], rows[1].images) and torch.equal(index[1], rows[1].pooled_patches_idx)


def test_views_and_read_only_arrays_are_taken():
    image = picture(30, 50)
    mirrored = image[:, ::-1]
    mirrored.flags.writeable = False
    found = ImageProcessor(TINY).process([mirrored]).images
    assert torch.equal(found, ImageProcessor(TINY).process([mirrored.copy()]).images)


@pytest.mark.parametrize(
    "images, nested",
    [
        ([], True),
        ([picture(9, 9), picture(9, 9)], False),
        ([picture(9, 9)[..., 0]], True),
        ([picture(9, 9).astype(np.float32)], True),
        ([np.zeros((9, 9, 4), np.uint8)], True),
        ([np.zeros((0, 9, 3), np.uint8)], True),
        ([[[0, 0, 0]]], True),
    ],
)
def test_other_images_are_refused(images, nested):
    with pytest.raises(InvalidData):
        ImageProcessor(TINY).process(images, nested)


def test_an_image_that_would_vanish_is_refused():
    with pytest.raises(InvalidData):
        ImageProcessor(ImageProcessorConfig.molmoact_7b_o()).process([picture(1, 1000)])


@pytest.mark.parametrize(
    "setting",
    [
        {"crop_mode": "resize"},
        {"resize_mode": "lanczos"},
        {"normalize_mode": None},
        {"base_image_input_size": [378, 336]},
        {"base_image_input_size": [380, 380]},
        {"overlap_margins": [14, 13]},
        {"max_crops": 0},
    ],
)
def test_unknown_settings_are_refused(setting):
    data = vars(ImageProcessorConfig()) | {"auto_map": {}, "processor_class": "any", "image_processor_type": "any"}
    assert ImageProcessorConfig.from_dict(data) == ImageProcessorConfig.molmoact_7b_d()
    with pytest.raises(InvalidData):
        ImageProcessorConfig.from_dict(data | setting)


def test_missing_settings_are_refused():
    data = vars(ImageProcessorConfig())
    for name in data:
        with pytest.raises(InvalidData, match=f"no field '{name}'"):
            ImageProcessorConfig.from_dict({key: value for key, value in data.items() if key != name})


def test_odd_grids_are_padded_after_the_last_row_and_column():
    grid = pooled_grid(np.arange(9).reshape(3, 3), (2, 2))
    assert grid.tolist() == [[[0, 1, 3, 4], [2, -1, 5, -1]], [[6, 7, -1, -1], [8, -1, -1, -1]]]


@settings(deadline=None, max_examples=60)
@given(
    side=st.integers(1, 7),
    margins=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    tiling=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    patch=st.integers(1, 3),
)
def test_every_patch_of_the_enlarged_image_is_owned_once_and_by_the_patch_that_shows_it(side, margins, tiling, patch):
    geometry = CropGeometry((side + sum(margins)) * patch, patch, margins, (2, 2))
    height, width = geometry.stitched_px(tiling)
    enlarged = np.arange(height * width).reshape(height, width, 1)
    owners = owned_patches(tiling, geometry)
    assert len(np.unique(owners)) == owners.size
    shown = patchify(cut_crops(enlarged, tiling, geometry), patch).reshape(-1, patch * patch)
    assert np.array_equal(shown[owners.ravel()], patchify(enlarged[None], patch)[0])


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 3000), width=st.integers(1, 3000), most=st.integers(1, 12))
def test_a_tiling_stays_within_the_limit_and_grows_with_no_smaller_choice(height, width, most):
    geometry = ImageProcessorConfig().geometry
    rows, columns = choose_tiling(height, width, geometry, most)
    assert 1 <= rows * columns <= most
    if max(height, width) <= geometry.crop_px:
        assert (rows, columns) == (1, 1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_is_read_as_rgb_without_blending_alpha(tmp_path, channels):
    stored = np.random.default_rng(1).integers(0, 256, (5, 7, channels), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    expected = np.repeat(stored, 3, 2) if channels == 1 else stored[..., 2::-1]
    assert np.array_equal(read_rgb(tmp_path / "a.png"), expected)


def test_a_png_of_sixteen_bits_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((5, 7), np.uint16))
    with pytest.raises(InvalidData):
        read_rgb(tmp_path / "a.png")
