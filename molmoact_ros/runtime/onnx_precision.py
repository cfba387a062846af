"""Rewrite the matrices of an exported decoder as int4 or fp8; 16-bit and fp32 graphs are exported as such.

The matrices are what MatMul and Gemm multiply with; the head, whose product is `logits`, stays as it is. In the new
graph a DequantizeLinear takes the place of each. Memory is needed for one matrix, not for the network.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from ..errors import InvalidData, missing_package
from .onnx_graph import TensorFile, read_graph

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise missing_package("onnx", "export") from error

BLOCK = 128
INT4_MOST, FP8_MOST = 7.0, 448.0
# Operators that may stand between a stored matrix and its product, and between the head's product and the output.
_BEFORE, _AFTER_HEAD = ("Cast", "Transpose", "Identity"), ("Cast", "Identity", "Reshape", "Squeeze", "Add")
_OLDEST_OPSET = 21


@dataclass(frozen=True, eq=False)
class Product:
    """A node, known by its `output`, that multiplies `activation` with a constant `matrix` whose K runs along `axis`.

    The matrix is the initializer `stored` after the operators `steps`.
    """

    output: str
    activation: str
    matrix: str
    axis: int
    stored: TensorProto
    steps: tuple

    @property
    def depth(self) -> int:
        """The size of K."""
        turned = sum(step.op_type == "Transpose" for step in self.steps) % 2
        return self.stored.dims[self.axis ^ turned]

    def read(self, folder: Path) -> np.ndarray:
        """Return the matrix as the product sees it."""
        matrix = numpy_helper.to_array(self.stored, str(folder))
        for step in self.steps:
            if step.op_type == "Transpose":
                matrix = matrix.T
            elif step.op_type == "Cast":
                target = next(attribute.i for attribute in step.attribute if attribute.name == "to")
                matrix = matrix.astype(helper.tensor_dtype_to_np_dtype(target))
        return matrix


def products(graph: onnx.GraphProto) -> list[Product]:
    """Find the products with constant 2-D matrices, the head's left out."""
    stored = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 2}
    makers, found = {name: node for node in graph.node for name in node.output}, []
    head = _head(makers)
    for node in graph.node:
        flags = {attribute.name: attribute.i for attribute in node.attribute}
        if node.op_type not in ("MatMul", "Gemm") or node.output[0] == head or flags.get("transA"):
            continue
        name, steps = node.input[1], []
        while name in makers and makers[name].op_type in _BEFORE:
            steps.insert(0, makers[name])
            name = makers[name].input[0]
        if name in stored:
            axis = flags.get("transB", 0)
            found.append(Product(node.output[0], node.input[0], node.input[1], axis, stored[name], tuple(steps)))
    return found


def activations(source) -> dict[str, str]:
    """Name the tensors whose largest magnitudes `write_fp8` needs, each with a matrix that it is multiplied with.

    The matrix has the name of the checkpoint's: what goes into that layer of the network is the tensor. MissingPart or
    InvalidData.
    """
    return {product.activation: product.stored.name for product in products(read_graph(source).graph)}


def int4_codes(matrix: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix in blocks of 128 along K: codes int8 in -8..7 (same shape), scales in the matrix's type.

    codes * scales is within half a scale of the matrix, and a little more where the scale itself had to be rounded.
    """
    rows = np.moveaxis(matrix, axis, 0)
    codes = np.empty(rows.shape, np.int8)
    scales = np.empty((len(rows) // BLOCK, rows.shape[1]), matrix.dtype)
    for i in range(len(scales)):
        block = rows[i * BLOCK : (i + 1) * BLOCK].astype(np.float32)
        scale = (np.abs(block).max(axis=0) / INT4_MOST).astype(matrix.dtype)
        # zeros alone, or numbers too small for a scale of this type
        scale[scale == 0] = 1
        codes[i * BLOCK : (i + 1) * BLOCK] = np.clip(np.rint(block / scale.astype(np.float32)), -8, 7)
        scales[i] = scale
    return np.moveaxis(codes, 0, axis), np.moveaxis(scales, 0, axis)


def fp8_codes(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix to e4m3: codes (same shape), one scale () in the matrix's type."""
    scale = _fp8_scale(max(float(matrix.max()), -float(matrix.min())), matrix.dtype)
    codes = np.empty(matrix.shape, helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E4M3FN))
    for i in range(0, len(matrix), BLOCK):
        exact = matrix[i : i + BLOCK].astype(np.float32) / scale.astype(np.float32)
        # beyond the largest number a cast gives NaN
        codes[i : i + BLOCK] = np.clip(exact, -FP8_MOST, FP8_MOST).astype(codes.dtype)
    return codes, scale


def write_int4(source, target) -> list[str]:
    """Write `source` with int4 matrices (symmetric, blocks of 128 along K) to `target`; return their stored names.

    Activations keep their type; a matrix whose K is no multiple of 128 stays. MissingPart or InvalidData.
    """
    return _rewrite(Path(source), Path(target), None)


def write_fp8(source, target, amax: Mapping[str, float]) -> list[str]:
    """Write `source` with e4m3 matrices and activations to `target`; return the stored names of the matrices.

    amax: the largest magnitude that each of `activations(source)` takes. MissingPart or InvalidData.
    """
    return _rewrite(Path(source), Path(target), amax)


def _rewrite(source: Path, target: Path, amax: Mapping[str, float] | None) -> list[str]:
    """Write int4 matrices, or fp8 ones and rounded activations where `amax` is given."""
    model = read_graph(source)
    _require_opset(model, source)
    graph = model.graph
    chosen = [p for p in products(graph) if amax is not None or p.depth % BLOCK == 0]
    if not chosen:
        raise InvalidData(f"no matrix to quantise in '{source}'", f"one whose K {BLOCK} divides", "Export 16 bits.")
    file, nodes = TensorFile(target), []
    with file.file:
        for product in {p.matrix: p for p in chosen}.values():
            name, form, matrix = product.matrix, {}, product.read(source.parent)
            if amax is None:
                codes, scale = int4_codes(matrix, product.axis)
                form = {"axis": product.axis, "block_size": BLOCK}
            else:
                codes, scale = fp8_codes(matrix)
            file.put(name + "_codes", codes, TensorProto.INT4 if amax is None else None)
            file.put(name + "_scale", scale)
            nodes.append(_node("DequantizeLinear", [name + "_codes", name + "_scale"], name, **form))
        made = {p.matrix for p in chosen}
        old = [node for node in graph.node if not made & set(node.output)]
        nodes += old if amax is None else _rounded(old, chosen, amax, matrix.dtype, file)
        nodes = _alive(nodes, {value.name for value in graph.output})
        used = {name for node in nodes for name in node.input} - made
        for tensor in graph.initializer:
            if tensor.name in used:
                file.keep(tensor, source.parent)
        del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(file.tensors)
    onnx.save(model, target)
    return sorted({p.stored.name for p in chosen})


def _rounded(old: list, chosen: list[Product], amax: Mapping[str, float], dtype, file: TensorFile) -> list:
    """Return the nodes with every activation of a product rounded to e4m3 before its first use."""
    activation, nodes, done = {product.output: product.activation for product in chosen}, [], set()
    for node in old:
        name = activation.get(node.output[0])
        if name is not None and name not in done:
            most = amax.get(name, math.nan)
            if not (math.isfinite(most) and most > 0):
                do = "Calibrate it: run the graph on probe questions with the tensors of activations() as outputs."
                raise InvalidData(f"amax {most} of the activation '{name}'", "a number above 0", do)
            file.put(name + "_scale", _fp8_scale(most, dtype))
            file.put(name + "_zero", np.zeros((), helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E4M3FN)))
            scaling = [name + "_scale", name + "_zero"]
            nodes.append(_node("QuantizeLinear", [name, *scaling], name + "_codes"))
            nodes.append(_node("DequantizeLinear", [name + "_codes", *scaling], name + "_rounded"))
            done.add(name)
        if name is not None:
            node.input[0] = name + "_rounded"
        nodes.append(node)
    return nodes


def _node(kind: str, inputs: list[str], output: str, **attributes):
    return helper.make_node(kind, inputs, [output], f"{output}_{kind}", **attributes)


def _alive(nodes: list, outputs: set[str]) -> list:
    """Return the nodes whose results are used; what turned or cast a matrix is not any more."""
    kept, used = [], set(outputs)
    for node in reversed(nodes):
        if used & set(node.output):
            kept.insert(0, node)
            used |= set(node.input)
    return kept


def _fp8_scale(most: float, dtype) -> np.ndarray:
    scale = np.array(most / FP8_MOST, np.float32).astype(dtype)
    return scale if scale > 0 else np.ones((), dtype)


def _head(makers: Mapping) -> str:
    """Return the output of the node that multiplies with the head, "" in a graph without logits."""
    node = makers.get("logits")
    while node is not None and node.op_type in _AFTER_HEAD:
        node = next((makers[name] for name in node.input if name in makers), None)
    return node.output[0] if node is not None else ""


def _require_opset(model: onnx.ModelProto, source: Path) -> None:
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    if opset < _OLDEST_OPSET:
        found = f"opset {opset} in '{source}'"
        raise InvalidData(found, f"at least {_OLDEST_OPSET} for int4 and fp8", "Quantise the native form.")
