"""One engine on the GPU: its contexts share scratch memory, and short shapes that come again become CUDA graphs."""

from pathlib import Path
from typing import Callable, Mapping

from ..errors import InvalidData, MissingPart
from .cuda_buffers import STORED, DeviceMemory, Exchange, Stream


def within(shape, least, most) -> bool:
    """Whether every size of a shape lies between those of two others."""
    return all(a <= b <= c for a, b, c in zip(tuple(least), shape, tuple(most)))


class Engine:
    """A plan file ready to run. inputs: name -> shape, -1 where it varies; kinds: name -> type, inputs and outputs."""

    def __init__(self, trt, path: Path, stream: Stream):
        if not path.is_file():
            raise MissingPart(f"no engine '{path}'", "a file made by molmoact export", "Export the checkpoint again.")
        self.path, self._trt, self._stream = path, trt, stream
        # the runtime has to live as long as the engine, and the logger as long as the runtime
        self._log = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            found = f"'{path}', which {trt.__name__} {trt.__version__} cannot read on this GPU"
            raise InvalidData(found, "an engine made for both", "Export the checkpoint again.")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        given = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        self.inputs = {name: tuple(self._engine.get_tensor_shape(name)) for name in given}
        self.kinds = {name: self._engine.get_tensor_dtype(name).name for name in names}
        self._places: dict[str, DeviceMemory | Exchange] = {}
        self._scratch = DeviceMemory(self._engine.device_memory_size_v2)
        self._contexts: dict[int, object] = {}
        self._steps: dict[tuple, Callable[[], None]] = {}

    def item_bytes(self, name: str) -> int:
        """Return the size of one number of a tensor."""
        return STORED[self.kinds[name]].itemsize

    def most(self, name: str) -> tuple[int, ...]:
        """Return the largest shape of an input."""
        profiles = range(self._engine.num_optimization_profiles)
        return max(tuple(self._engine.get_tensor_profile_shape(name, i)[2]) for i in profiles)

    def place(self, name: str, memory: DeviceMemory | Exchange) -> None:
        """Keep an input or output in this memory from now on."""
        self._places[name] = memory

    def exchange(self, name: str, numbers: int) -> Exchange:
        """Return the memory of a tensor, with room for that many numbers."""
        held = self._places.get(name)
        if held is None or held.most < numbers:
            held = Exchange(numbers, self.kinds[name])
            self.place(name, held)
        return held

    def run(self, shapes: Mapping[str, tuple], captured: bool) -> None:
        """Put one run with these shapes of inputs into the stream.

        captured: whether the shapes will come again with every tensor in the same place. MissingPart when it fails.
        """
        if not captured:
            profile = self._profile(shapes)
            if profile not in self._contexts:
                self._contexts[profile] = self._context(profile, captured)
            self._prepare(self._contexts[profile], shapes)
            self._enqueue(self._contexts[profile])
            return
        key = tuple(sorted(shapes.items()))
        if key in self._steps:
            self._steps[key]()
            return
        context = self._context(self._profile(shapes), captured)
        self._prepare(context, shapes)
        # the first run sets things up and cannot be recorded; repeating a step writes the same once more
        self._enqueue(context)
        self._stream.wait()
        if hasattr(self._trt, "CudaGraphStrategy"):
            self._steps[key] = lambda: self._enqueue(context)
        else:
            self._steps[key] = self._stream.capture(lambda: self._enqueue(context))

    def _profile(self, shapes: Mapping[str, tuple]) -> int:
        """Return the first profile that holds these shapes."""
        varying = [name for name in shapes if -1 in self.inputs[name]]
        for i in range(self._engine.num_optimization_profiles):
            ranges = {name: self._engine.get_tensor_profile_shape(name, i) for name in varying}
            if all(within(shapes[name], least, most) for name, (least, _, most) in ranges.items()):
                return i
        found = f"shapes {dict(shapes)} for '{self.path}'"
        raise InvalidData(found, "shapes within one of its profiles", "Use smaller pictures, or export again.")

    def _context(self, profile: int, captured: bool):
        """Create an execution context in the shared scratch memory: only one runs at a time."""
        trt, engine = self._trt, self._engine
        outside = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if hasattr(trt, "CudaGraphStrategy"):
            # TensorRT-RTX compiles kernels per shape while it runs, and knows best when they can be recorded
            config = engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(outside)
            if captured:
                config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
                eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
                config.dynamic_shapes_kernel_specialization_strategy = eager
            context = engine.create_execution_context(config)
        else:
            context = engine.create_execution_context(outside)
        if context is None or not context.set_optimization_profile_async(profile, int(self._stream.handle)):
            raise MissingPart(f"no execution context for '{self.path}'", "room on the GPU", "Free memory on the GPU.")
        context.set_device_memory(self._scratch.pointer, self._scratch.size)
        self._stream.wait()
        return context

    def _prepare(self, context, shapes: Mapping[str, tuple]) -> None:
        done = [context.set_input_shape(name, tuple(shape)) for name, shape in shapes.items()]
        done += [context.set_tensor_address(name, memory.pointer) for name, memory in self._places.items()]
        if not all(done):
            raise InvalidData(f"shapes {dict(shapes)} for '{self.path}'", "shapes that it takes", "Export again.")

    def _enqueue(self, context) -> None:
        if not context.execute_async_v3(int(self._stream.handle)):
            found = f"'{self.path}' did not run"
            raise MissingPart(found, "a GPU that works", "Look at what TensorRT printed, and at the kernel log.")
