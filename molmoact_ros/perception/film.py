"""Video files, with FFmpeg's own decoders: LeRobot's are AV1, which OpenCV's build does not decode."""

from typing import Iterator

import numpy as np

from ..errors import InvalidData, missing_package

try:
    import av
except ImportError as error:
    raise missing_package("av", "learning") from error


class Film:
    """A video file that is read forwards, one picture after the other; `position` is the number of the next one."""

    def __init__(self, path):
        self._path, self.position = str(path), 0
        self._pictures = self._decoded()

    def _decoded(self) -> Iterator:
        try:
            with av.open(self._path) as container:
                yield from container.decode(video=0)
        except (av.FFmpegError, IndexError) as error:
            found = f"'{self._path}' cannot be read ({error})"
            raise InvalidData(found, "a video file", "Fetch it again, or re-encode it as H.264.") from None

    def go_to(self, number: int) -> None:
        """Go to a picture by decoding all before it; seeking ends at the nearest key picture in some formats."""
        if number < self.position:
            self._pictures, self.position = self._decoded(), 0
        while self.position < number and next(self._pictures, None) is not None:
            self.position += 1

    def next(self) -> np.ndarray | None:
        """Return the next picture (h, w, 3) uint8 RGB, None at the end."""
        picture = next(self._pictures, None)
        self.position += picture is not None
        return None if picture is None else picture.to_ndarray(format="rgb24")

    def count(self) -> int:
        """Return how many pictures there are, by decoding them."""
        self.go_to(self.position + 10**9)
        return self.position
