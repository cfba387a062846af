"""Read an exported graph without its weights, fold what is constant in it, and write tensors beside a new one.

A network of 7 billion weights fits neither into one protobuf message nor twice into memory.
"""

from pathlib import Path

import numpy as np

from ..errors import InvalidData, MissingPart, missing_package

try:
    import onnx
    from onnx import TensorProto, helper
except ImportError as error:
    raise missing_package("onnx", "export") from error

# A tensor of this many numbers is a weight: it is never copied into the graph.
_WEIGHT = 1 << 16
_INLINE_BYTES = 1024


def read_graph(path) -> onnx.ModelProto:
    """Read a graph without its weights, and see that they are all there. MissingPart or InvalidData."""
    path = Path(path)
    if not path.is_file():
        raise MissingPart(f"no graph '{path}'", "an exported ONNX file", "Export the checkpoint to ONNX first.")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # the decoder's class belongs to protobuf, and has changed
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InvalidData(f"'{path}' cannot be read ({reason})", "an ONNX graph", "Export it again.") from error
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            place = onnx.external_data_helper.ExternalDataInfo(tensor)
            data = path.parent / place.location
            size = data.stat().st_size if data.is_file() else 0
            if size < (place.offset or 0) + (place.length or 1):
                found = f"'{data}' with {size} bytes"
                raise MissingPart(found, f"the weights of '{path.name}'", "Export the checkpoint again.")
    return model


def folded_graph(path) -> onnx.ModelProto:
    """Read a graph and compute what is constant in it, weights left alone; they stay where they are on the disk.

    Engines refuse what the exporter leaves: sequences, and axes and shapes that are computed. MissingPart or
    InvalidData.
    """
    read_graph(path)
    try:
        from onnxscript import ir, optimizer
    except ImportError as error:
        raise missing_package("onnxscript", "export") from error

    def keeps_weights(node) -> bool | None:
        values = [value.const_value for value in node.inputs if value is not None]
        return False if any(value is not None and value.size > _WEIGHT for value in values) else None

    model = ir.load(path)
    optimizer.fold_constants(model, onnx_shape_inference=True, should_fold=keeps_weights)
    optimizer.remove_unused_nodes(model)
    return ir.to_proto(model)


class TensorFile:
    """The tensors of a new graph `target`: small ones in the graph itself, the others in `target.data` beside it."""

    def __init__(self, target: Path):
        self.tensors: list[TensorProto] = []
        self.file = target.with_name(target.name + ".data").open("wb")

    def put(self, name: str, array: np.ndarray, kind: int | None = None) -> None:
        """Add an array; as INT4 two of its int8 values become one byte, the first in the low half."""
        kind = helper.np_dtype_to_tensor_dtype(array.dtype) if kind is None else kind
        tensor, array = TensorProto(name=name, data_type=kind, dims=array.shape), np.ascontiguousarray(array)
        if kind == TensorProto.INT4:
            pairs = array.reshape(-1, 2)
            array = (pairs[:, 0] & 15) | (pairs[:, 1] << 4)
        if array.nbytes < _INLINE_BYTES:
            tensor.raw_data = array.tobytes()
        else:
            self._point(tensor, array.nbytes)
            self.file.write(array.view(np.uint8).data)
        self.tensors.append(tensor)

    def keep(self, tensor: TensorProto, folder: Path) -> None:
        """Add a tensor of an old graph as it is."""
        if tensor.data_location == TensorProto.EXTERNAL:
            place = onnx.external_data_helper.ExternalDataInfo(tensor)
            with (folder / place.location).open("rb") as old:
                old.seek(place.offset or 0)
                data = old.read(place.length or -1)
            self._point(tensor, len(data))
            self.file.write(data)
        self.tensors.append(tensor)

    def _point(self, tensor: TensorProto, size: int) -> None:
        where = {"location": Path(self.file.name).name, "offset": self.file.tell(), "length": size}
        del tensor.external_data[:]
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
