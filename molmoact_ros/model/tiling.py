"""Which crops the vision tower sees of one image, and which patches each image token pools.

Every image is seen twice: squeezed whole into one square crop, and enlarged to a grid of overlapping square crops of
the same size. Where crops overlap, each patch is taken from one of them. Patches are numbered through all crops of an
image, row-major within a crop; -1 is no patch. Source: spec sections 2.2 and 2.3, golden README oddities 14 and 16.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidData


@dataclass(frozen=True)
class CropGeometry:
    """Sizes of the square crops.

    crop_px, patch_px: sides in pixels. margins: patches that a crop gives up to its neighbour (before, after) where the
    two overlap. pooling: (height, width) in patches of what one image token pools. InvalidData where they do not fit.
    """

    crop_px: int
    patch_px: int
    margins: tuple[int, int]
    pooling: tuple[int, int]

    def __post_init__(self):
        whole = min(self.crop_px, self.patch_px, *self.pooling) > 0 and min(self.margins) >= 0
        if not whole or self.crop_px % self.patch_px or self.window <= 0:
            raise InvalidData(f"{self}", "a crop of whole patches, wider than its margins", "Fix the image settings.")

    @property
    def side(self) -> int:
        """Patches along one side of a crop."""
        return self.crop_px // self.patch_px

    @property
    def window(self) -> int:
        """Patches from one crop to the next."""
        return self.side - sum(self.margins)

    @property
    def margin_px(self) -> int:
        """Pixels that two neighbouring crops share."""
        return sum(self.margins) * self.patch_px

    def stitched_px(self, tiling: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) in pixels of the area that (rows, columns) of crops cover."""
        rows, columns = (count * self.window * self.patch_px + self.margin_px for count in tiling)
        return rows, columns


def choose_tiling(height: int, width: int, geometry: CropGeometry, max_crops: int) -> tuple[int, int]:
    """Return (rows, columns) of crops for an image of this size in pixels, at most `max_crops` of them.

    The smallest enlargement wins; where every tiling would shrink the image, the one that shrinks it least. Few crops
    before many and few rows before many decide between equals. A side shorter than the margins counts as negative, so
    that such an image gets one crop however long its other side is.
    """
    counts = [(rows, columns) for rows in range(1, max_crops + 1) for columns in range(1, max_crops // rows + 1)]
    tilings = sorted(counts, key=lambda tiling: (tiling[0] * tiling[1], tiling[0]))
    covered = np.array(tilings, float) * geometry.window * geometry.patch_px
    with np.errstate(divide="ignore"):
        scale = (covered / np.array([height - geometry.margin_px, width - geometry.margin_px])).min(axis=1)
    enlarges = scale >= 1
    best = np.where(enlarges, scale, np.inf).argmin() if enlarges.any() else scale.argmax()
    return tilings[best]


def cut_crops(stitched: np.ndarray, tiling: tuple[int, int], geometry: CropGeometry) -> np.ndarray:
    """Cut an enlarged image (H, W, C) into its crops, row by row: (rows * columns, crop_px, crop_px, C)."""
    step, size = geometry.window * geometry.patch_px, geometry.crop_px
    corners = [(row * step, column * step) for row in range(tiling[0]) for column in range(tiling[1])]
    return np.stack([stitched[y : y + size, x : x + size] for y, x in corners])


def patchify(crops: np.ndarray, patch_px: int) -> np.ndarray:
    """Split crops (T, H, W, C) into flat patches (T, N, patch_px * patch_px * C) in (row, column, channel) order."""
    count, height, width, channels = crops.shape
    split = crops.reshape(count, height // patch_px, patch_px, width // patch_px, patch_px, channels)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(count, -1, patch_px * patch_px * channels)


def whole_picture(pictures: np.ndarray, patch_px: int, pooling: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut pictures (T, H, W, C) that are seen once and whole, as embedded models do, into patches.

    Returns patches (T, N, patch_px * patch_px * C) and what each image token pools, (P, pooled patches).
    """
    rows, columns = (side // patch_px for side in pictures.shape[1:3])
    grid = pooled_grid(np.arange(rows * columns).reshape(rows, columns), pooling)
    return patchify(pictures, patch_px), grid.reshape(-1, grid.shape[-1]).astype(np.int64)


def owned_patches(tiling: tuple[int, int], geometry: CropGeometry) -> np.ndarray:
    """Return for every patch of the enlarged image (R, C) the index of the crop patch that stands for it.

    A crop gives up its margins at inner edges and keeps them at the border of the image.
    """
    rows, in_row = _owners(tiling[0], geometry)
    columns, in_column = _owners(tiling[1], geometry)
    crop = rows[:, None] * tiling[1] + columns[None, :]
    return crop * geometry.side**2 + in_row[:, None] * geometry.side + in_column[None, :]


def _owners(count: int, geometry: CropGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Return along one axis the owning crop of each patch and its position in that crop."""
    position = np.arange(count * geometry.window + sum(geometry.margins))
    owner = np.clip((position - geometry.margins[0]) // geometry.window, 0, count - 1)
    return owner, position - owner * geometry.window


def pooled_grid(patches: np.ndarray, pooling: tuple[int, int]) -> np.ndarray:
    """Group a grid of patch indices (R, C) by pooling area: (h, w, pooled patches), padded with -1 to whole areas.

    Of an odd number of missing rows or columns, the larger half is added after the last one.
    """
    missing = [-size % pool for size, pool in zip(patches.shape, pooling)]
    padded = np.pad(patches, [(m // 2, m - m // 2) for m in missing], constant_values=-1)
    height, width = (size // pool for size, pool in zip(padded.shape, pooling))
    areas = padded.reshape(height, pooling[0], width, pooling[1]).transpose(0, 2, 1, 3)
    return areas.reshape(height, width, pooling[0] * pooling[1])


def pooled_patches(tiling: tuple[int, int], geometry: CropGeometry) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """Return the patch indices that each token of one image pools, (P, pooled patches), and its two grids of tokens.

    The tokens of the whole image come first, then those of the enlarged one; a grid is (height, width) in tokens.
    """
    whole = np.arange(geometry.side**2).reshape(geometry.side, geometry.side)
    enlarged = owned_patches(tiling, geometry) + geometry.side**2
    grids = [pooled_grid(patches, geometry.pooling) for patches in (whole, enlarged)]
    index = np.concatenate([grid.reshape(-1, grid.shape[-1]) for grid in grids])
    return index.astype(np.int64), tuple(grid.shape[:2] for grid in grids)
