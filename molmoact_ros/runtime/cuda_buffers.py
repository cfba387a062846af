"""Memory of a CUDA device and of the host beside it, a stream, and captured graphs; through cuda-bindings."""

import ctypes
import weakref
from typing import Callable

import numpy as np

from ..errors import MissingPart

# TensorRT's names of types -> how the host stores them; numpy has no bfloat16, so its upper 16 bits stand for it.
STORED = {
    "FLOAT": np.dtype(np.float32),
    "HALF": np.dtype(np.float16),
    "BF16": np.dtype(np.uint16),
    "INT64": np.dtype(np.int64),
    "INT32": np.dtype(np.int32),
    "BOOL": np.dtype(np.bool_),
}


def encode(array: np.ndarray, kind: str) -> np.ndarray:
    """Return an array as a tensor of a TensorRT type stores it."""
    if kind != "BF16":
        return np.ascontiguousarray(array, STORED[kind])
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    # round to nearest, ties to even
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def decode(stored: np.ndarray, kind: str) -> np.ndarray:
    """Return the float32 values of a stored floating-point tensor."""
    if kind == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


def device_capability() -> str:
    """Return the compute capability of the first CUDA device, as in "8.9". MissingPart where there is none."""
    cuda = _cuda()
    error, count = cuda.cudaGetDeviceCount()
    if error != cuda.cudaError_t.cudaSuccess or not count:
        found = f"no CUDA device ({error.name if count is None else 'none found'})"
        raise MissingPart(found, "an NVIDIA GPU and its driver", "Install the driver, or use the onnx backend.")
    kinds = cuda.cudaDeviceAttr
    wanted = (kinds.cudaDevAttrComputeCapabilityMajor, kinds.cudaDevAttrComputeCapabilityMinor)
    return ".".join(str(_call(cuda.cudaDeviceGetAttribute, kind, 0)) for kind in wanted)


class Stream:
    """An order of work on the device; nothing runs beside it."""

    def __init__(self):
        device_capability()
        cuda = _cuda()
        self.handle = _call(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking)
        weakref.finalize(self, cuda.cudaStreamDestroy, self.handle)

    def wait(self) -> None:
        """Wait until everything has been done."""
        _call(_cuda().cudaStreamSynchronize, self.handle)

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Record what `enqueue` puts into this stream; return a function that puts all of it in at once."""
        cuda = _cuda()
        _call(cuda.cudaStreamBeginCapture, self.handle, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            enqueue()
        finally:
            # also ends a capture that failed: the stream would stay unusable
            ended = cuda.cudaStreamEndCapture(self.handle)
        graph = _result(ended, "cudaStreamEndCapture")
        runnable = _call(cuda.cudaGraphInstantiate, graph, 0)
        _call(cuda.cudaGraphDestroy, graph)
        weakref.finalize(self, cuda.cudaGraphExecDestroy, runnable)
        return lambda: _call(cuda.cudaGraphLaunch, runnable, self.handle)


class DeviceMemory:
    """Bytes on the device, all 0 at first; `pointer` is their address."""

    def __init__(self, size: int):
        cuda = _cuda()
        self.size, self.pointer = size, int(_call(cuda.cudaMalloc, max(size, 1)))
        weakref.finalize(self, cuda.cudaFree, self.pointer)
        _call(cuda.cudaMemset, self.pointer, 0, max(size, 1))

    def take(self, other: "DeviceMemory", stream: Stream) -> None:
        """Copy all of another memory of the same size into this one."""
        cuda = _cuda()
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        _call(cuda.cudaMemcpyAsync, self.pointer, other.pointer, self.size, kind, stream.handle)


class Exchange:
    """One tensor of at most `most` numbers on the device, and page-locked host memory of `staged` numbers to fill it.

    kind: a key of STORED. staged: None = most.
    """

    def __init__(self, most: int, kind: str, staged: int | None = None):
        cuda, self.kind, self.most = _cuda(), kind, most
        item, count = STORED[kind].itemsize, most if staged is None else staged
        self.memory = DeviceMemory(most * item)
        address = int(_call(cuda.cudaMallocHost, max(count * item, 1)))
        weakref.finalize(self, cuda.cudaFreeHost, address)
        held = (ctypes.c_byte * (count * item)).from_address(address)
        self._host = np.frombuffer(held, STORED[kind])

    @property
    def pointer(self) -> int:
        """Address on the device."""
        return self.memory.pointer

    def upload(self, array: np.ndarray, stream: Stream) -> None:
        """Put an array at the start of the tensor; before the next upload the stream must have been waited for."""
        cuda, stored = _cuda(), encode(array, self.kind).ravel()
        self._host[: stored.size] = stored
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        _call(cuda.cudaMemcpyAsync, self.pointer, self._host.ctypes.data, stored.nbytes, kind, stream.handle)

    def download(self, first: int, count: int, stream: Stream) -> np.ndarray:
        """Wait for the stream and return numbers `first` to first + count as float32."""
        cuda, pieces = _cuda(), []
        kind, item = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost, self._host.itemsize
        for start in range(first, first + count, self._host.size):
            size = min(self._host.size, first + count - start)
            source = self.pointer + start * item
            _call(cuda.cudaMemcpyAsync, self._host.ctypes.data, source, size * item, kind, stream.handle)
            stream.wait()
            pieces.append(decode(self._host[:size], self.kind))
        return np.concatenate(pieces)


def _cuda():
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        do = "Run: pip install 'molmoact_ros[tensorrt]'"
        raise MissingPart("the Python package 'cuda-bindings' is not installed", "CUDA for Python", do) from error
    return runtime


def _call(function, *arguments):
    """Call CUDA; return the one result, None where there is none. MissingPart with CUDA's own words."""
    return _result(function(*arguments), function.__name__)


def _result(returned: tuple, name: str):
    error, *results = returned
    if error != _cuda().cudaError_t.cudaSuccess:
        do = "Free memory on the GPU, or look into the kernel log for its faults."
        raise MissingPart(f"{name} failed with {error.name}", "a GPU that works and has room", do)
    return results[0] if results else None
