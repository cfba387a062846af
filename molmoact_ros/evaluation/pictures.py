"""Pictures and videos, on disk and in pages."""

import base64
from pathlib import Path

import numpy as np

from ..errors import MissingPart, missing_package


def _cv2():
    try:
        import cv2
    except ImportError as error:
        raise missing_package("opencv-python-headless", "sim") from error
    return cv2


def save_png(path, picture: np.ndarray) -> None:
    """Write an (h, w, 3) RGB or (h, w) grey uint8 picture. MissingPart when the file cannot be written."""
    stored = picture[..., ::-1] if picture.ndim == 3 else picture
    if not _cv2().imwrite(str(path), np.ascontiguousarray(stored)):
        raise MissingPart(f"cannot write {Path(path)}", "a folder that can be written", "Name another with --out.")


def encode_jpeg(picture: np.ndarray, quality: int = 70) -> str:
    """Return an (h, w, 3) RGB uint8 picture as base64 JPEG."""
    cv2 = _cv2()
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return base64.b64encode(data).decode()


def decode_jpeg(text: str) -> np.ndarray:
    """Return what encode_jpeg wrote as (h, w, 3) RGB uint8."""
    cv2 = _cv2()
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def write_video(path, pictures: list[np.ndarray], rate_hz: float) -> None:
    """Write pictures (h, w, 3) RGB uint8 as mp4. MissingPart when this build of OpenCV cannot."""
    cv2 = _cv2()
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate_hz, (width, height))
    if not writer.isOpened():
        raise MissingPart(f"cannot write '{path}'", "an OpenCV that writes mp4", "Leave --video out.")
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
