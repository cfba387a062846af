"""Open a graph with ONNX Runtime on the CPU."""

from pathlib import Path

from ..errors import InvalidData, missing_package

try:
    import onnxruntime
except ImportError as error:
    raise missing_package("onnxruntime", "onnx") from error

PROVIDERS = ["CPUExecutionProvider"]


def open_session(path, threads: int = 1) -> "onnxruntime.InferenceSession":
    """Load a graph and its weights; `threads` work on one operator. InvalidData when it cannot be run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # a thread that waits must leave its core to the controller
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        # resolved: weights are looked up beside the graph itself, and an installed workspace holds links
        return onnxruntime.InferenceSession(Path(path).resolve(), options, providers=PROVIDERS)
    except Exception as error:  # its exceptions have no common base of their own
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        found = f"ONNX Runtime {onnxruntime.__version__} cannot open '{path}' ({reason})"
        raise InvalidData(found, "a graph made by molmoact export", "Export the checkpoint again.") from error
