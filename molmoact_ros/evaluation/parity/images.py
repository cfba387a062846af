"""Image preprocessing against the golden data: grids, masks and pooled indices exactly, pixels within the tolerances.

Formats and tolerances: golden README, "processor/", "processor_clip336/", "tiny_model/". Pixel errors are in units of
the normalised values, where one of the 255 levels is 2 / 255.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
from safetensors.numpy import load_file

from ...model.image_processor import ImageProcessor, ImageProcessorConfig, ImageTensors, collate
from ...model.tiling import choose_tiling, pooled_patches
from .case import Case
from .png import read_rgb

LEVEL = 2 / 255
MOST_OFF_BY_A_LEVEL = 1e-3
FLOAT_TOLERANCE = 2e-4


def run(golden: Path) -> Iterator[Case]:
    """Yield a case for each golden case of image preprocessing under `golden`; folders that are missing have none."""
    for group, cases in (("processor", _processor), ("processor_clip336", _clip), ("tiny_model", _tiny)):
        if (golden / group).is_dir():
            for name, compare in cases(golden / group):
                yield _case(group, name, compare)


@dataclass
class _Comparison:
    """What differs so far: words for each difference, and the largest pixel error where pixels were compared."""

    errors: dict = field(default_factory=dict)
    wrong_integers: list = field(default_factory=list)
    wrong_pixels: list = field(default_factory=list)

    def exact(self, what: str, found, expected) -> None:
        """Compare shapes and values that must be equal."""
        found, expected = np.asarray(found), np.asarray(expected)
        if found.shape != expected.shape:
            self.wrong_integers.append(f"{what} has shape {found.shape}, expected {expected.shape}")
        elif (found != expected).any():
            self.wrong_integers.append(f"{what} differs in {(found != expected).sum()} of {found.size} values")

    def pixels(self, found, expected, rounded: bool) -> None:
        """Compare normalised values; `rounded` ones came from whole levels. NaN in `expected` is not compared."""
        if found.shape != expected.shape or found.dtype != np.float32:
            self.wrong_pixels.append(f"images are {found.dtype} {found.shape}, expected float32 {expected.shape}")
            return
        known = ~np.isnan(expected)
        off = np.abs(found[known] - expected[known])
        if not off.size:
            return
        largest = float(off.max())
        share = float((off > FLOAT_TOLERANCE).mean())
        self.errors["pixel"] = max(largest, self.errors.get("pixel", 0.0))
        if rounded:
            self.errors["pixel_share"] = max(share, self.errors.get("pixel_share", 0.0))
        within = largest < 1.01 * LEVEL and share <= MOST_OFF_BY_A_LEVEL if rounded else largest <= FLOAT_TOLERANCE
        if not within:
            self.wrong_pixels.append(f"pixels differ by up to {largest:.3g}, {share:.2%} of them")


def _case(group: str, name: str, compare: Callable[[_Comparison], None]) -> Case:
    seen = _Comparison()
    try:
        compare(seen)
    except Exception as error:
        return Case(group, name, False, seen.errors, None, f"{type(error).__name__}: {error}")
    faults = seen.wrong_integers + seen.wrong_pixels
    return Case(group, name, not faults, seen.errors, not seen.wrong_integers, "; ".join(faults))


def _levels(stored: np.ndarray) -> np.ndarray:
    """Return the normalised float32 values of stored uint8 levels."""
    return np.float32(-1) + stored.astype(np.float32) / np.float32(255) * np.float32(2)


def _grids(rows: list[ImageTensors]) -> np.ndarray:
    """Return the grids of each row (B, G, 2), filled with -1."""
    most = max(len(row.grids) for row in rows)
    return np.array([[*row.grids, *[(-1, -1)] * (most - len(row.grids))] for row in rows])


def _tensors(seen: _Comparison, rows: list[ImageTensors], stored) -> np.ndarray:
    """Compare all but the pixels with `stored` arrays of a batch; return the pixels (B, T, N, D)."""
    images, masks, index = (tensor.numpy() for tensor in collate(rows))
    if "image_grids" in stored:
        seen.exact("image_grids", _grids(rows), stored["image_grids"])
    seen.exact("pooled_patches_idx", index, stored["pooled_patches_idx"])
    seen.exact("image_masks", masks, stored["image_masks"] if "image_masks" in stored else np.ones(images.shape[:3]))
    return images


def _processor(folder: Path):
    """Name the comparisons of processor/: its cases, colour modes and tiling table."""
    data = json.loads((folder / "cases.json").read_text())
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    known = _stored_pixels(folder, data["cases"])
    for case in data["cases"]:
        yield case["name"], partial(_processor_case, folder=folder, settings=settings, case=case, known=known)
    for mode in data.get("colour_modes", []):
        yield Path(mode["file"]).stem, partial(_colour_mode, folder=folder, settings=settings, mode=mode)
    table = folder / "tiling_table.json"
    for row in json.loads(table.read_text())["rows"] if table.is_file() else []:
        name = f"tiling_{row['height']}x{row['width']}_max{row['max_crops']}"
        yield name, partial(_tiling, config=ImageProcessorConfig.from_dict(settings), row=row)


def _stored_pixels(folder: Path, cases) -> dict:
    """Return the files that store the pixels of one image, by its name and grids."""
    singles = [case for case in cases if case["images_stored"] and sum(map(len, case["images"])) == 1]
    return {_pixel_key(case["images"][0][0], case["image_grids"][0]): folder / case["file"] for case in singles}


def _pixel_key(image: str, grids) -> tuple:
    return image, tuple(tuple(int(side) for side in grid) for grid in grids)


def _processor_case(seen: _Comparison, folder: Path, settings: dict, case: dict, known: dict) -> None:
    # The reference ignores overrides that are false or zero (golden README oddity 18).
    overrides = {name: value for name, value in case["kwargs_override"].items() if value}
    processor = ImageProcessor(ImageProcessorConfig.from_dict(settings | overrides))
    rows = [
        processor.process([read_rgb(folder / "images" / name) for name in row], case["nested"])
        for row in case["images"]
    ]
    stored = np.load(folder / case["file"])
    images = _tensors(seen, rows, stored)
    seen.exact("shape of images", images.shape, case["outputs"]["images"]["shape"])
    expected = np.full(images.shape, -1, np.float32)
    if "images_u8" in stored:
        expected = _levels(stored["images_u8"])
    else:
        for row, names, filled in zip(rows, case["images"], expected):
            _fill_known(filled[: len(row.images)], names, row.grids, known)
    seen.pixels(images, expected, rounded=True)


def _fill_known(expected: np.ndarray, names: list[str], grids, known: dict) -> None:
    """Write into `expected` (T, N, D) the stored pixels of each image, NaN where none are stored for its grids.

    Images of known size come first from the left, then from the right; between two unknown ones nothing is compared.
    """
    expected[:] = np.nan
    images = [_pixel_key(name, grids[2 * i : 2 * i + 2]) for i, name in enumerate(names)]
    for order in (1, -1):
        position = 0
        for image in images[::order]:
            if image not in known:
                break
            pixels = _levels(np.load(known[image])["images_u8"][0])
            position += len(pixels)
            start = position - len(pixels) if order == 1 else len(expected) - position
            expected[start : start + len(pixels)] = pixels


def _colour_mode(seen: _Comparison, folder: Path, settings: dict, mode: dict) -> None:
    processor = ImageProcessor(ImageProcessorConfig.from_dict(settings))
    images = processor.process([read_rgb(folder / "images" / mode["image"])]).images.numpy()[None]
    stored = np.load(folder / mode["file"])
    seen.exact("shape of images", images.shape, mode["images_shape"])
    seen.pixels(images[:, :, stored["sel"]], _levels(stored["images_u8_sel"]), rounded=True)


def _tiling(seen: _Comparison, config: ImageProcessorConfig, row: dict) -> None:
    tiling = choose_tiling(row["height"], row["width"], config.geometry, row["max_crops"])
    index, grids = pooled_patches(tiling, config.geometry)
    seen.exact("image_grids", grids, row["image_grids"])
    seen.exact("crops", tiling[0] * tiling[1] + 1, row["n_crops_incl_global"])
    seen.exact("pooled rows", len(index), row["n_pooled"])
    tokens = sum(height * (width + 1) + 2 for height, width in grids)
    seen.exact("image tokens", tokens, row["n_tokens_in_prompt"])
    seen.exact("sha256", hashlib.sha256(index.tobytes()).hexdigest(), row["pooled_idx_sha256_int64"])


def _clip(folder: Path):
    """Name the comparisons of processor_clip336/."""
    data = json.loads((folder / "cases.json").read_text())
    config = ImageProcessorConfig.from_dict(data["settings"])
    for case in data["cases"]:
        yield case["name"], partial(_clip_case, folder=folder, config=config, case=case)


def _clip_case(seen: _Comparison, folder: Path, config: ImageProcessorConfig, case: dict) -> None:
    row = ImageProcessor(config).process([read_rgb(folder / name) for name in case["images"]])
    stored = np.load(folder / f"{case['name']}.npz")
    images = _tensors(seen, [row], stored)
    seen.exact("shape of images", images.shape, case["images_shape"])
    seen.pixels(images[:, :, stored["sel"]], stored["images_sel"], rounded=False)
    whole = images.reshape(*images.shape[:2], -1).astype(np.float64)
    for name, found in (("crop_mean", whole.mean(-1)), ("crop_std", whole.std(-1))):
        off = np.abs(found - stored[name]).max()
        if off > FLOAT_TOLERANCE:
            seen.wrong_pixels.append(f"{name} differs by {off:.3g}")


def _tiny(folder: Path):
    """Name the comparisons of tiny_model/: the images of each model and of its batch."""
    for model in sorted(path for path in folder.iterdir() if (path / "preprocessor_config.json").is_file()):
        yield f"{model.name}/preprocessing", partial(_tiny_case, model=model, batch=False)
        if (model / "inputs_batch.safetensors").is_file():
            yield f"{model.name}/preprocessing_batch", partial(_tiny_case, model=model, batch=True)


def _tiny_case(seen: _Comparison, model: Path, batch: bool) -> None:
    meta = json.loads((model / "meta.json").read_text())
    settings = json.loads((model / "preprocessor_config.json").read_text())
    config = ImageProcessorConfig.from_dict(settings)
    counts = [len(row) for row in meta["batch"]["image_sources"]] if batch else [len(meta["image_sources"])]
    paths = iter(model / f"{'batch_' if batch else ''}image_{k}.png" for k in range(sum(counts)))
    nested = bool(meta["nested_images"])
    rows = [
        ImageProcessor(config).process([read_rgb(next(paths)) for _ in range(count)], nested or count > 1)
        for count in counts
    ]
    stored = load_file(model / ("inputs_batch.safetensors" if batch else "inputs.safetensors"))
    images = _tensors(seen, rows, stored)
    seen.pixels(images, stored["images"], rounded=config.resize_mode == "siglip")
