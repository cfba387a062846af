"""Camera images to the tensors that the vision tower takes, as the published image processor makes them.

Source: spec section 2, golden README oddities 12 to 18. T crops, N patches in a crop, p pixels along a patch.
"""

from dataclasses import dataclass, fields
from typing import Mapping, Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence

from ..errors import InvalidData
from .config import as_tuple, require_fit
from .tiling import CropGeometry, choose_tiling, cut_crops, patchify, pooled_patches

CROP_MODES = ("overlap-and-resize-c2",)
RESIZE_MODES = ("siglip", "default")
# Mean and deviation by colour, of values in 0..1.
NORMALIZE_MODES = {
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "openai": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
NOTHING = -1


@dataclass(frozen=True)
class ImageProcessorConfig:
    """The fields of a published preprocessor_config.json that matter, under their published names.

    The defaults are those of MolmoAct-7B-D. Sizes in pixels, (height, width); margins and pooling in patches.
    max_crops bounds the enlarged crops of a lone image, max_multi_image_crops of each image in a list.
    InvalidData for an unknown mode, a crop that is not square, sizes that do not fit each other.
    """

    base_image_input_size: tuple[int, int] = (378, 378)
    image_patch_size: int = 14
    overlap_margins: tuple[int, int] = (4, 4)
    image_pooling_h: int = 2
    image_pooling_w: int = 2
    max_crops: int = 8
    max_multi_image_crops: int = 8
    crop_mode: str = CROP_MODES[0]
    resize_mode: str = "siglip"
    normalize_mode: str = "siglip"
    pad_value: float = 0.0

    def __post_init__(self):
        known = {"crop_mode": CROP_MODES, "resize_mode": RESIZE_MODES, "normalize_mode": tuple(NORMALIZE_MODES)}
        for name, modes in known.items():
            if getattr(self, name) not in modes:
                raise InvalidData(f"{name} {getattr(self, name)!r}", f"one of {modes}", "Fix preprocessor_config.json.")
        height, width = self.base_image_input_size
        if height != width or min(self.max_crops, self.max_multi_image_crops) < 1:
            found = f"crops of {height} x {width}, at most {self.max_crops} or {self.max_multi_image_crops}"
            raise InvalidData(found, "square crops and at least one", "Fix preprocessor_config.json.")
        _ = self.geometry

    @property
    def geometry(self) -> CropGeometry:
        """The sizes of the crops."""
        pooling = (self.image_pooling_h, self.image_pooling_w)
        return CropGeometry(self.base_image_input_size[0], self.image_patch_size, self.overlap_margins, pooling)

    @classmethod
    def from_dict(cls, data: Mapping) -> "ImageProcessorConfig":
        """Read a published preprocessor_config.json; other keys are ignored.

        InvalidData names the first field that is missing or of another type.
        """
        for field in fields(cls):
            require_fit(field, field.name, data, field.name, "preprocessor_config.json")
        return cls(**{field.name: as_tuple(data[field.name]) for field in fields(cls)})

    @classmethod
    def molmoact_7b_d(cls) -> "ImageProcessorConfig":
        """Return the settings of the published 7B-D (SigLIP2 tower, 378 px)."""
        return cls()

    @classmethod
    def molmoact_7b_o(cls) -> "ImageProcessorConfig":
        """Return the settings of the published 7B-O (CLIP tower, 336 px), inferred from its training code."""
        return cls(base_image_input_size=(336, 336), resize_mode="default", normalize_mode="openai")


@dataclass(frozen=True, eq=False)
class ImageTensors:
    """The images of one prompt.

    images: (T, N, 3 p p) float32, normalised. image_masks: (T, N) float32, the part of each patch that is image and not
    padding. pooled_patches_idx: (P, pooled patches) int64, the patches behind each image token, -1 for none. grids:
    (height, width) in tokens, whole image then enlarged image, for each image in turn.
    """

    images: torch.Tensor
    image_masks: torch.Tensor
    pooled_patches_idx: torch.Tensor
    grids: tuple[tuple[int, int], ...]


class ImageProcessor:
    """Turns the images of a prompt into tensors."""

    def __init__(self, config: ImageProcessorConfig):
        self.config = config
        self._mean, self._deviation = np.array(NORMALIZE_MODES[config.normalize_mode], np.float32)

    def process(self, images: Sequence[np.ndarray], nested: bool = True) -> ImageTensors:
        """Return the tensors of one prompt's images, each (h, w, 3) uint8 RGB.

        nested: whether the reference would be handed a list of images for this prompt, as opposed to a lone image; it
        selects max_multi_image_crops or max_crops. InvalidData for other arrays, no image, several images not nested.
        """
        if not images or (len(images) > 1 and not nested):
            raise InvalidData(f"{len(images)} images", "one image, or several nested ones", "Pass nested=True.")
        most = self.config.max_multi_image_crops if nested else self.config.max_crops
        parts = [self._one(_checked(image), most) for image in images]
        pixels, masks, index, grids = zip(*parts)
        # The reference shifts the -1 of later images too: they then name the last patch of the image before.
        starts = np.cumsum([0, *(mask.size for mask in masks)])
        shifted = [one + start for one, start in zip(index, starts)]
        joined = [torch.from_numpy(np.concatenate(arrays)) for arrays in (pixels, masks, shifted)]
        return ImageTensors(*joined, sum(grids, ()))

    def _one(self, image: np.ndarray, max_crops: int):
        """Return pixels (T, N, 3 p p), masks (T, N), token index and grids of one image."""
        geometry = self.config.geometry
        tiling = choose_tiling(*image.shape[:2], geometry, max_crops)
        whole, whole_mask = self._resized(image, self.config.base_image_input_size)
        if tiling == (1, 1):
            large, large_mask = whole, whole_mask
        else:
            large, large_mask = self._resized(image, geometry.stitched_px(tiling))
        pixels = np.concatenate([whole[None], cut_crops(large, tiling, geometry)])
        masks = np.concatenate([whole_mask[None], cut_crops(large_mask, tiling, geometry)])
        patches, covered = (patchify(crops, geometry.patch_px) for crops in (pixels, masks))
        return patches, covered.mean(-1), *pooled_patches(tiling, geometry)

    def _resized(self, image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the image at (height, width), normalised (H, W, 3), and where it is image (H, W, 1), both float32."""
        if self.config.resize_mode == "siglip":
            values, mask = stretched(image, size), np.ones((*size, 1), np.float32)
        else:
            values, mask = letterboxed(image, size, self.config.pad_value)
        return (values - self._mean) / self._deviation, mask


def stretched(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 (h, w, 3) to (H, W), ignoring its proportions: bilinear without antialiasing, float32 0..1.

    Rounded to whole levels of 1/255, because the reference resizes uint8 (golden README oddity 15).
    """
    values = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    levels = interpolate(values, size, mode="bilinear", align_corners=False).round()
    return levels[0].permute(1, 2, 0).numpy() / np.float32(255)


def letterboxed(image: np.ndarray, size: tuple[int, int], pad_value: float) -> tuple[np.ndarray, np.ndarray]:
    """Resize uint8 (h, w, 3) into the middle of (H, W), keeping its proportions: antialiased bilinear, float32 0..1.

    Returns the values, `pad_value` around the image, and the mask (H, W, 1), 1 on the image. The scale is computed in
    float32 as in the reference: it decides what the side in pixels is rounded down to. InvalidData for an image so
    narrow that no pixel of it would be left.
    """
    shape = np.array(image.shape[:2], np.float32)
    height, width = (shape * (np.array(size, np.float32) / shape).min()).astype(int).tolist()
    if min(height, width) < 1:
        raise InvalidData(f"an image of {image.shape}", f"sides that fit into {size}", "Crop the image first.")
    values = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    values = interpolate(values, (height, width), mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
    y, x = (size[0] - height) // 2, (size[1] - width) // 2
    canvas, mask = np.full((*size, 3), pad_value, np.float32), np.zeros((*size, 1), np.float32)
    canvas[y : y + height, x : x + width] = values[0].permute(1, 2, 0).numpy()
    mask[y : y + height, x : x + width] = 1
    return canvas, mask


def collate(rows: Sequence[ImageTensors]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images (B, T, N, 3 p p), image_masks (B, T, N) and pooled_patches_idx (B, P, pooled patches) of prompts.

    Shorter rows are filled with -1, the pixels too, as in the reference's batches.
    """
    columns = zip(*((row.images, row.image_masks, row.pooled_patches_idx) for row in rows))
    images, masks, index = (pad_sequence(list(column), True, NOTHING) for column in columns)
    return images, masks, index


def _checked(image) -> np.ndarray:
    """Return a contiguous, writable copy of a (h, w, 3) uint8 image, or raise InvalidData."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        raise InvalidData(f"an image of {found}", "uint8 (h, w, 3), RGB", "Convert the image first.")
    if not image.size:
        raise InvalidData(f"an image of {image.shape}", "at least one pixel", "Drop the empty image.")
    return np.array(image, order="C")
