"""The action-reasoning records that training reads: one row per picture, one or more labels per row.

Made by the scripted demonstrations (dataset.py) or read from a LeRobot dataset; arrays in memory, nothing else.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidData
from ..types import MAX_TRACE_POINTS

KEYPOINTS = 3
DEPTH_COUNT = 100


@dataclass
class Records:
    """n pictures with l labels each; the first label is what was demonstrated, the others what else could be asked.

    image (n, h, w, 3) uint8. state (n, 7) float32: tip x y z [m], roll pitch yaw [rad], gripper opening [m].
    instruction (n, l) int: index into `instructions`. trace (n, l, 5, 2) uint8 in 0..255, the first trace_length (n, l)
    points count; 0 = nothing in sight fits the instruction, and chunk and points do not count either. chunk
    (n, l, h, 7) float32: absolute poses in the base frame, gripper 1 = open (datasets of others: d numbers as they mean
    them). points (n, l, 3, 2) float32: where the
    object to be handled, the place it goes to and the tip are in the picture, 0..1, NaN where unknown or meaningless.
    far (n, l) bool: the eye is needed here. episode (n,) int. depth_codes (m, 100) uint8: of pictures depth_rows (m,).
    """

    image: np.ndarray
    state: np.ndarray
    instruction: np.ndarray
    trace: np.ndarray
    trace_length: np.ndarray
    chunk: np.ndarray
    points: np.ndarray
    far: np.ndarray
    episode: np.ndarray
    depth_codes: np.ndarray
    depth_rows: np.ndarray
    instructions: tuple[str, ...]

    def __post_init__(self):
        n, labels = len(self.image), self.instruction.shape[1]
        shapes = {
            "instruction": (n, labels), "trace": (n, labels, MAX_TRACE_POINTS, 2),
            "trace_length": (n, labels), "points": (n, labels, KEYPOINTS, 2), "far": (n, labels), "episode": (n,),
            "depth_codes": (len(self.depth_rows), DEPTH_COUNT),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise InvalidData(f"{name} of shape {getattr(self, name).shape}", f"{shape}", "Make the records anew.")

    def __len__(self):
        return len(self.image)

    @property
    def horizon(self) -> int:
        """Rows of a chunk."""
        return self.chunk.shape[2]
