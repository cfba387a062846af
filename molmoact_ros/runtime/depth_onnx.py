"""Run the depth VQ-VAE on ONNX Runtime: needs neither torch nor the code of the network."""

import hashlib
import json
from pathlib import Path

import numpy as np

from ..errors import InvalidData, MissingPart, missing_package

ENCODER, DECODER, SEAL = "encoder.onnx", "decoder.onnx", "onnx.json"


class OnnxDepthCoder:
    """Turn depth pictures into codes and back with the graphs of a folder.

    InvalidData when graphs and weights are not those that were exported together, MissingPart when one is not there.
    """

    def __init__(self, folder, threads: int = 1):
        folder = Path(folder)
        self.codebook_size = _check_seal(folder)
        self._encoder, self._decoder = (_open(folder / name, threads) for name in (ENCODER, DECODER))
        self.image_size = self._encoder.get_inputs()[0].shape[-1]

    def encode(self, image) -> np.ndarray:
        """Tokenise a picture (320, 320) in 0..1 to codes (10, 10) int64."""
        return self._encoder.run(None, {"image": np.asarray(image, np.float32)[None, None]})[0][0]

    def decode(self, codes) -> np.ndarray:
        """Reconstruct the picture (320, 320) float32 of codes (10, 10); values are near 0..1 but not clipped."""
        return self._decoder.run(None, {"codes": np.asarray(codes, np.int64)[None]})[0][0, 0]


def _open(path: Path, threads: int):
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package("onnxruntime", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # a thread that waits must leave its core to the controller
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        # resolved: weights are looked up beside the graph itself, and an installed workspace holds links
        return onnxruntime.InferenceSession(path.resolve(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes share no other base
        found = f"ONNX Runtime {onnxruntime.__version__} cannot open '{path}' ({str(error)[:160]})"
        raise InvalidData(found, "a graph that it can run", "Install the version that requirements/ pins.") from error


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
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != checksums.get(name):
            found = f"'{folder / name}' is not the file that was exported"
            raise InvalidData(found, f"graphs and weights that belong together, by {SEAL}", do)
    return size
