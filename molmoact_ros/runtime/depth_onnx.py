"""Run the depth VQ-VAE on ONNX Runtime: needs neither torch nor the code of the network."""

import json
from pathlib import Path

import numpy as np

from ..errors import InvalidData, MissingPart
from .engine_manifest import checksum
from .onnx_session import open_session

ENCODER, DECODER, SEAL = "encoder.onnx", "decoder.onnx", "onnx.json"


class OnnxDepthCoder:
    """Turn depth pictures into codes and back with the graphs of a folder.

    InvalidData when graphs and weights are not those that were exported together, MissingPart when one is not there.
    """

    def __init__(self, folder, threads: int = 1):
        folder = Path(folder)
        self.codebook_size = _check_seal(folder)
        self._encoder, self._decoder = (open_session(folder / name, threads) for name in (ENCODER, DECODER))
        self.image_size = self._encoder.get_inputs()[0].shape[-1]

    def encode(self, image) -> np.ndarray:
        """Tokenise a picture (320, 320) in 0..1 to codes (10, 10) int64."""
        return self._encoder.run(None, {"image": np.asarray(image, np.float32)[None, None]})[0][0]

    def decode(self, codes) -> np.ndarray:
        """Reconstruct the picture (320, 320) float32 of codes (10, 10); values are near 0..1 but not clipped."""
        return self._decoder.run(None, {"codes": np.asarray(codes, np.int64)[None]})[0][0, 0]


def _check_seal(folder: Path) -> int:
    """Compare every file with its checksum in onnx.json; return the size of the code book."""
    do = "Export them again: molmoact train depth-vqvae, or fetch the whole folder."
    try:
        seal = json.loads((folder / SEAL).read_text())
        size, checksums = int(seal["codebook_size"]), dict(seal["sha256"])
    except OSError:
        raise MissingPart(f"no '{SEAL}' in '{folder}'", "the checksums of graphs and weights", do) from None
    except (ValueError, KeyError, TypeError) as error:
        found = f"'{folder / SEAL}' cannot be read ({type(error).__name__})"
        raise InvalidData(found, "JSON with 'codebook_size' and 'sha256'", do) from None
    for name in {ENCODER, DECODER} | checksums.keys():
        if Path(name).name != name or not (folder / name).is_file():
            raise MissingPart(f"no '{name}' in '{folder}'", f"all files that {SEAL} names", do)
        if checksum(folder / name) != checksums.get(name):
            found = f"'{folder / name}' is not the file that was exported"
            raise InvalidData(found, f"graphs and weights that belong together, by {SEAL}", do)
    return size
