"""Action bins as written text: 256 strings of the Qwen2 vocabulary, and the published way from an action to them.

The string of digit d (1..256) is the byte-level spelling of token 151643 - d (spec section 6.1);
action_token_strings.json lists them in the order of the digits. 256 digits share 255 bins: the last two are bin 254.
"""

import json
from pathlib import Path

import numpy as np

from ..errors import InvalidData
from .action_codec import BIN_EDGES, BINS

ACTION_STRINGS: tuple[str, ...] = tuple(
    json.loads(Path(__file__).with_name("action_token_strings.json").read_text(encoding="utf-8"))
)
_BINS = {string: min(index, BINS - 1) for index, string in enumerate(ACTION_STRINGS)}
# The published training data has 6 motion dimensions and then the gripper, whatever else follows (spec section 6.4).
MOTION_DIMS = 6


def bin_of(string: str) -> int | None:
    """Return the bin 0..254 that an action string stands for; None for every other string."""
    return _BINS.get(string)


def string_of(bin_index: int) -> str:
    """Return the action string of a bin 0..254; of the last bin's two, that of digit 255."""
    if not 0 <= bin_index < BINS:
        raise InvalidData(f"action bin {bin_index}", f"0..{BINS - 1}", "Encode the action again.")
    return ACTION_STRINGS[bin_index]


def normalise_inverting_gripper(action, q01, q99, motion_dims: int = MOTION_DIMS) -> np.ndarray:
    """Normalise one action (D,) as the published training data has it: float32 throughout, gripper g as 1 - g.

    The first `motion_dims` go from q01..q99 to -1..1, clipped; without spread they are 0. The next dimension is the
    gripper, inverted and neither scaled nor clipped; what follows stays as it is. Decoding does not invert back.
    """
    action = np.array(action, np.float32)
    if np.any(np.isnan(action)):
        raise InvalidData("an action with a NaN", "numbers", "Drop the frame.")
    low, high = (np.asarray(bound, np.float32)[:motion_dims] for bound in (q01, q99))
    scaled = 2 * (action[:motion_dims] - low) / (high - low + 1e-8) - 1.0
    normalised = action.copy()
    normalised[:motion_dims] = np.where(np.isclose(high, low), 0.0, np.clip(scaled, -1.0, 1.0))
    normalised[motion_dims : motion_dims + 1] = 1.0 - action[motion_dims : motion_dims + 1]
    return normalised


def digits(normalised) -> np.ndarray:
    """Return the digits 1..256 of normalised values of any shape, clipped to -1..1; 256 is 1.0 alone."""
    return np.digitize(np.clip(normalised, -1.0, 1.0), BIN_EDGES)


def encode_inverting_gripper(action, q01, q99, motion_dims: int = MOTION_DIMS) -> list[str]:
    """Spell one action (D,) in the published training data's way, its gripper inverted (1 - g)."""
    return [ACTION_STRINGS[d - 1] for d in digits(normalise_inverting_gripper(action, q01, q99, motion_dims))]


def written_row(strings) -> str:
    """Write one row of action strings: '[a, b, …]'."""
    return f"[{', '.join(strings)}]"


def written_chunk(rows) -> str:
    """Write a chunk, rows of action strings: '[[a, b, …], …]'."""
    return f"[{', '.join(map(written_row, rows))}]"
