"""The operator's picture: camera, what the depth tokens keep, predicted trace, executed path, state. Pure drawing."""

from dataclasses import dataclass, field

import numpy as np

from ..geometry import project
from ..types import DepthTokens, Frame, Trace
from . import raster

YELLOW, CYAN, WHITE, RED = (255, 220, 0), (0, 230, 230), (255, 255, 255), (255, 80, 60)
PANEL_SHARE = 0.3  # of the camera picture's width


@dataclass(frozen=True)
class Scene:
    """What one picture shows. path: (N, 3) executed positions of the tip in the base frame [m]."""

    frame: Frame
    tokens: DepthTokens | None = None
    reconstruction: np.ndarray | None = None
    trace: Trace | None = None
    path: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    lines: tuple[str, ...] = ()
    alarm: bool = False


def draw(scene: Scene, scale: int = 2) -> np.ndarray:
    """Draw a scene as (h, w, 3) uint8 RGB; `scale` enlarges the camera image."""
    image = scene.frame.first_image
    size = (image.shape[1] * scale, image.shape[0] * scale)
    picture = raster.resize(image, size).copy()
    _draw_paths(picture, scene, scale)
    for i, line in enumerate(scene.lines):
        tone = RED if scene.alarm and i == len(scene.lines) - 1 else WHITE
        raster.text(picture, line, (10, 22 + 20 * i), tone)
    return np.hstack([picture, _panel(scene, size)])


def _draw_paths(picture: np.ndarray, scene: Scene, scale: int) -> None:
    # Pixel centres: (x + 0.5) * scale - 0.5 keeps a point on the spot it marked before enlarging.
    shift = (scale - 1) / 2
    if len(scene.path) > 1:
        pixels = project(scene.path, scene.frame.K, scene.frame.T_base_camera)
        raster.polyline(picture, pixels * scale + shift, CYAN, width=1)
    if scene.trace is not None:
        raster.polyline(picture, scene.trace.pixels() * scale + shift, YELLOW, width=2, dots=True)


def _panel(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    """Stack depth as measured, as the tokens keep it, and the codes themselves into a column beside the picture."""
    width = round(size[0] * PANEL_SHARE)
    codes = None if scene.tokens is None else _code_picture(scene.tokens)
    parts = [
        ("depth", _depth_picture(scene.frame.depth_m)),
        ("depth from tokens", None if scene.reconstruction is None else raster.colour_map(scene.reconstruction)),
        ("depth tokens", codes),
    ]
    heights = np.diff(np.linspace(0, size[1], len(parts) + 1).round().astype(int))
    return np.vstack([_titled(picture, title, (width, h)) for (title, picture), h in zip(parts, heights)])


def _titled(picture, title: str, size: tuple[int, int]) -> np.ndarray:
    if picture is None:
        tile = np.full((size[1], size[0], 3), 40, np.uint8)
    else:
        tile = (raster.enlarge if min(picture.shape[:2]) < 64 else raster.resize)(picture, size).copy()
    tile[:, 0] = 0
    raster.text(tile, title, (8, 16), size=0.42)
    return tile


def _depth_picture(depth_m: np.ndarray) -> np.ndarray:
    """Colour metric depth by its inverse, near = bright, as the tokens see it; holes are black."""
    valid = np.isfinite(depth_m) & (depth_m > 0)
    if not valid.any():
        return np.zeros((*depth_m.shape, 3), np.uint8)
    inverse = 1.0 / np.where(valid, depth_m, 1.0)
    low, high = inverse[valid].min(), inverse[valid].max()
    grey = np.where(valid, (inverse - low) / max(high - low, 1e-6) * 255, 0).astype(np.uint8)
    return raster.colour_map(grey) * valid[..., None].astype(np.uint8)


def _code_picture(tokens: DepthTokens) -> np.ndarray:
    """Give every code a colour of its own, so that a change of one token is seen."""
    spread = np.arange(tokens.codebook_size)[:, None] * np.array([97, 57, 151]) % 200 + 40
    return spread.astype(np.uint8)[tokens.codes]
