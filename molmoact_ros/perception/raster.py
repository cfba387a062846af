"""All of OpenCV that the package uses: resizing, filling holes, drawing. Colours are (r, g, b) 0..255."""

import numpy as np

from ..errors import missing_package

try:
    import cv2
except ImportError as error:
    raise missing_package("opencv-python-headless", "onnx") from error

# One process of many on few cores: OpenCV's own thread pool only costs switches at these image sizes.
cv2.setNumThreads(1)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (width, height): bilinear, or area averages where the image shrinks."""
    shrinks = size[0] < image.shape[1] and size[1] < image.shape[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def enlarge(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (width, height) without blending neighbours, for grids of codes."""
    return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)


def fill_holes(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Give every pixel that is not valid the value of a nearest valid pixel; at least one must be valid."""
    if valid.all():
        return values
    # Distance to the nearest zero pixel, so valid ones are 0; labels number the valid pixels.
    _, labels = cv2.distanceTransformWithLabels((~valid).astype(np.uint8), cv2.DIST_L2, 5,
                                                labelType=cv2.DIST_LABEL_PIXEL)  # fmt: skip
    by_label = np.zeros(labels.max() + 1, values.dtype)
    by_label[labels[valid]] = values[valid]
    return by_label[labels]


def remove_speckles(values: np.ndarray) -> np.ndarray:
    """Replace every pixel of a float32 image by the median of its 3 x 3 neighbours."""
    return cv2.medianBlur(values, 3)


def colour_map(grey: np.ndarray) -> np.ndarray:
    """Colour a uint8 grey image (h, w) as (h, w, 3) RGB: dark blue is far, yellow is near."""
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def polyline(image: np.ndarray, points: np.ndarray, colour, width: int = 2, dots: bool = False) -> None:
    """Draw (N, 2) pixel points as a line into `image`; breaks at points that are not finite or far outside."""
    height, wide = image.shape[:2]
    usable = np.isfinite(points).all(1) & (np.abs(np.nan_to_num(points)) < 4 * max(height, wide)).all(1)
    fixed = np.where(usable[:, None], points * 8, 0).round().astype(int)  # three bits below the pixel
    for i in range(len(points) - 1):
        if usable[i] and usable[i + 1]:
            cv2.line(image, tuple(map(int, fixed[i])), tuple(map(int, fixed[i + 1])), colour, width, cv2.LINE_AA, 3)
    if dots:
        for i in np.flatnonzero(usable):
            cv2.circle(image, tuple(map(int, fixed[i])), (width + 2) * 8, colour, -1, cv2.LINE_AA, 3)


def text(image: np.ndarray, line: str, position: tuple[int, int], colour=(255, 255, 255), size: float = 0.5) -> None:
    """Write one line on a dark ground; `position` is the lower left corner. OpenCV's font is ASCII only."""
    line = line.encode("ascii", "replace").decode()
    (width, height), below = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x, y = position
    ground = image[max(y - height - 2, 0) : y + below, max(x - 2, 0) : x + width + 2]
    ground[:] = ground // 3
    cv2.putText(image, line, position, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def encode_png(image: np.ndarray) -> bytes:
    """Return an (h, w, 3) uint8 RGB image as PNG, without loss."""
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def decode(data: bytes) -> np.ndarray | None:
    """Return the (h, w, 3) uint8 RGB image of a PNG or JPEG, None when it is none."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if image is None else image[..., ::-1]


def decode_depth(data: bytes) -> np.ndarray | None:
    """Return the (h, w) uint16 numbers of a PNG of one channel, None when it is none."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    return image if image is not None and image.ndim == 2 and image.dtype == np.uint16 else None
