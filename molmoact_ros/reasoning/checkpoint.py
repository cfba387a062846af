"""What a checkpoint says about itself beside its weights: action statistics, chunk form, checksum."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InvalidData, MissingPart
from .action_codec import ActionCodec

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """How to read the answers of a checkpoint.

    dims: which of the 7 action dimensions have tokens; `constant` (7,) holds the values of the others.
    """

    name: str
    dt_s: float
    horizon: int
    convention: str
    dims: tuple[int, ...]
    constant: np.ndarray
    actions: ActionCodec
    state: ActionCodec
    image_size: tuple[int, int]

    def rows(self, bins) -> np.ndarray:
        """Turn action bins (h, len(dims)) into rows (h, 7) in physical units."""
        values = np.tile(self.constant, (len(bins), 1))
        values[:, list(self.dims)] = self.actions.decode(bins)
        return values


def sha256(path) -> str:
    """Return the checksum of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def save_manifest(folder, data: dict) -> None:
    """Write manifest.json with the checksum of the folder's weights."""
    folder = Path(folder)
    data = data | {"sha256": sha256(folder / "model.safetensors")}
    (folder / MANIFEST).write_text(json.dumps(data, indent=1) + "\n")


def load_manifest(folder) -> Manifest:
    """Read and check manifest.json of a checkpoint folder; weights with another checksum are refused."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise MissingPart(
            f"no {MANIFEST} in '{folder}'",
            "a checkpoint folder",
            "Give checkpoint:=FOLDER, or run: molmoact train embedded",
        )
    data = json.loads((folder / MANIFEST).read_text())
    weights = folder / "model.safetensors"
    if weights.is_file() and sha256(weights) != data["sha256"]:
        raise InvalidData(
            f"'{weights}' has another checksum than its manifest", data["sha256"][:12], "Restore the file."
        )
    action, state = (data["norm_stats"][key] for key in ("action", "state"))
    return Manifest(
        name=data["name"],
        dt_s=data["dt_s"],
        horizon=data["horizon"],
        convention=data["convention"],
        dims=tuple(data["dims"]),
        constant=np.array(data["constant"]),
        actions=ActionCodec(action["q01"], action["q99"]),
        state=ActionCodec(state["q01"], state["q99"]),
        image_size=tuple(data["image_size"]),
    )
