"""Build engines from exported graphs.

Both modules have the same builder. TensorRT-RTX compiles ahead of time for a named compute capability; TensorRT, which
Jetsons and data-centre GPUs need, compiles for the GPU that it runs on.
"""

from pathlib import Path
from typing import Mapping, Sequence

from ..errors import InvalidData
from .cuda_buffers import device_capability
from .engine_manifest import PRECISIONS
from .onnx_graph import folded_graph
from .tensorrt_module import FULL, find_module

_LOWEST = {"fp8": (8, 9), "bf16": (8, 0)}
_JETSON = ("7.2", "8.7", "11.0")
# Decoding steps, which are short, get a profile of their own.
STEPS_MOST, STEPS_USUAL = 32, 16
# Added to a score that must not count; finite in every type, for -inf minus -inf is NaN.
_UNSEEN, _ADDITIVE = -30000.0, "_additive"
Profile = Mapping[str, tuple[int, int, int]]


def decoder_profiles(most: int) -> tuple[Profile, ...]:
    """Return the ranges of `s` for a decoder that reads up to `most` tokens at once.

    Ranges share their weights in the engine; profiles of single sizes would hold a copy each.
    """
    if most <= STEPS_MOST:
        return ({"s": (1, min(STEPS_USUAL, most), most)},)
    return {"s": (1, STEPS_USUAL, STEPS_MOST)}, {"s": (STEPS_MOST + 1, most, most)}


def require_target(backend: str, compute_capability: str, precision: str) -> None:
    """Refuse a GPU or precision that a backend cannot build for, before anything is exported.

    MissingPart when the backend is not installed, InvalidData otherwise.
    """
    _target(find_module(backend), backend, compute_capability)
    _require_precision(precision, compute_capability)


def build(
    onnx_path, out_path, backend: str, compute_capability: str, precision: str, profiles: Sequence[Profile] = ()
) -> int:
    """Write the engine of a graph for a GPU such as "8.9"; return its size in bytes.

    precision: that of the graph. profiles: for each, the least, usual and largest size of every dimension that has a
    name. MissingPart, or InvalidData with the reason why this graph cannot run on such a GPU.
    """
    trt = find_module(backend)
    target = _target(trt, backend, compute_capability)
    _require_precision(precision, compute_capability)
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(engine_graph(onnx_path, precision).SerializeToString(), str(onnx_path)):
        raise _refused(f"'{onnx_path}' ({_reason(parser, log)})", backend)
    config = builder.create_builder_config()
    if target is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        # without it the runtime may allocate on the way, and a step that does cannot become a CUDA graph
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    for profile in profiles:
        config.add_optimization_profile(_profile(builder, network, profile, onnx_path))
    plan = builder.build_serialized_network(network, config)
    faults = log.faults()
    if plan is None or plan.nbytes == 0 or faults:
        where = f"'{onnx_path}' for compute capability {compute_capability}"
        raise _refused(f"{where} ({faults[0] if faults else 'no engine came out'})", backend)
    with Path(out_path).open("wb") as file:
        file.write(plan)
    return plan.nbytes


def engine_graph(onnx_path, precision: str):
    """Return the onnx.ModelProto that the parser gets: constants folded, masks and attention as the builders take them.

    Large weights stay where they are on the disk. MissingPart or InvalidData.
    """
    import onnx

    model = folded_graph(onnx_path)
    wide = any(entry.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for entry in model.graph.input)
    nodes, masks = [], {}
    for node in model.graph.node:
        if node.op_type == "Attention":
            if wide or precision == "fp32":
                # there is no fused kernel for fp32, and without this the builder gives up
                node.attribute.append(onnx.helper.make_attribute("TRT_decomposable", 1))
            mask = node.input[3] if len(node.input) > 3 else ""
            if mask and mask not in masks:
                masks[mask] = _additive(model.graph, mask)
                nodes += masks[mask]
            if masks.get(mask):
                node.input[3] = mask + _ADDITIVE
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _target(trt, backend: str, capability: str):
    """Return the builder's constant for a compute capability; None when it builds for the GPU that is there."""
    if backend == FULL:
        here = device_capability()
        if here != capability:
            found = f"compute capability {capability} on a machine with {here}"
            raise InvalidData(found, "the GPU that will run the engine", "Run the export there.")
        return None
    members = trt.ComputeCapability.__members__
    known = {f"{name[2:-1]}.{name[-1]}": value for name, value in members.items() if name.startswith("SM")}
    if capability in known:
        return known[capability]
    do = "Use --backend tensorrt with the full TensorRT, on the GPU that will run the engine."
    if capability in _JETSON:
        do = "A Jetson needs the full TensorRT: use --backend tensorrt on the Jetson itself."
    raise InvalidData(f"compute capability '{capability}' for TensorRT-RTX", f"one of {', '.join(known)}", do)


def _require_precision(precision: str, capability: str) -> None:
    if precision not in PRECISIONS:
        raise InvalidData(f"precision '{precision}'", f"one of {PRECISIONS}", "Choose one of them.")
    lowest = _LOWEST.get(precision, (0, 0))
    if tuple(int(part) for part in capability.split(".")) < lowest:
        found = f"precision {precision} on compute capability {capability}"
        raise InvalidData(found, f"at least {lowest[0]}.{lowest[1]}", "Use fp16 or int4.")


def _additive(graph, mask: str) -> list:
    """Return the node that turns an input of booleans into numbers to be added; none when it is no such input.

    TensorRT-RTX 1.7 fails for short ranges when two layers share a boolean mask ("more than one op named mask").
    """
    from onnx import TensorProto, helper

    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in graph.input}
    if kinds.get(mask) != TensorProto.BOOL:
        return []
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    kind = next(kind for kind in kinds.values() if kind in floats)
    for name, value in (("_seen", 0.0), ("_unseen", _UNSEEN)):
        graph.initializer.append(helper.make_tensor(mask + name, kind, [], [value]))
    return [helper.make_node("Where", [mask, mask + "_seen", mask + "_unseen"], [mask + _ADDITIVE], mask + "_where")]


def _profile(builder, network, ranges: Profile, onnx_path):
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        sizes = [[size] * 3 for size in tensor.shape]
        for axis, size in enumerate(tensor.shape):
            if size < 0:
                name = tensor.get_dimension_name(axis)
                if name not in ranges:
                    found = f"dimension '{name}' of '{tensor.name}' in '{onnx_path}' without a range"
                    raise InvalidData(found, f"one of {sorted(ranges)}", "Name it in the profile.")
                sizes[axis] = ranges[name]
        if -1 in tuple(tensor.shape):
            profile.set_shape(tensor.name, *(tuple(size[k] for size in sizes) for k in range(3)))
    return profile


def _log(trt):
    """Return a logger that keeps the lines that say why something failed, and prints nothing."""

    class Log(trt.ILogger):
        """Warnings and errors, each with whether it is an error."""

        def __init__(self):
            super().__init__()
            self.lines = []

        def log(self, severity, line):
            if severity <= trt.ILogger.Severity.WARNING:
                self.lines.append((severity <= trt.ILogger.Severity.ERROR, line))

        def faults(self) -> list[str]:
            # a profile that the graph cannot serve is no more than a warning until the engine runs
            return [_short(line) for bad, line in self.lines if bad or "not self-consistent" in line]

    return Log()


def _reason(parser, log) -> str:
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    return "; ".join(f"{e.node_operator()}: {_short(e.desc())}" for e in errors[:1]) or "".join(log.faults()[:1])


def _short(text: str) -> str:
    return (text.splitlines() or [""])[0][:300]


def _refused(found: str, backend: str) -> InvalidData:
    return InvalidData(found, f"a graph that {backend} compiles", "Export with another form or precision.")
