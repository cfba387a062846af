"""Let an ONNX graph read its weights from the safetensors files beside it, so that none is stored twice.

ONNX calls this external data: an initializer names a file of its folder, an offset and a length. Safetensors keep each
tensor as one row-major, little-endian run of bytes, which is the layout that ONNX asks for.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import InvalidData
from ..model.shards import INDEX, SINGLE

# safetensors' names of types, as https://github.com/huggingface/safetensors documents the format
DTYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}


class _Stored(NamedTuple):
    """Where one tensor lies: bytes from `offset` on, counted from the start of `file`."""

    file: Path
    dtype: int
    shape: tuple[int, ...]
    offset: int
    length: int

    def read(self) -> np.ndarray:
        with open(self.file, "rb") as file:
            file.seek(self.offset)
            data = file.read(self.length)
        return np.frombuffer(data, helper.tensor_dtype_to_np_dtype(self.dtype)).reshape(self.shape)


def refer_weights(model: onnx.ModelProto, folder, skip=()) -> int:
    """Replace initializers of `model` by references into the safetensors of `folder`; return how many refer.

    An initializer refers when a float tensor of its name and shape is stored there; `skip` names those that stay. When
    the types differ, as float32 in the graph and float16 in the file, the reference gets a name of its own and a Cast
    makes the old one; the runtime folds it when it loads. The graph has to be saved in `folder`: a path that leads out
    of its own folder is refused there. InvalidData when a stored tensor does not hold the values of the graph.
    """
    stored, casts, count = _read_headers(Path(folder)), [], 0
    for tensor in model.graph.initializer:
        found = stored.get(tensor.name)
        fits = found is not None and found.shape == tuple(tensor.dims) and tensor.data_type in DTYPES.values()
        if fits and tensor.name not in skip:
            _check_values(tensor, found)
            casts += _refer(tensor, found)
            count += 1
    nodes = [*casts, *model.graph.node]  # what reads the old names has to come after the casts
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return count


def save_beside(model: onnx.ModelProto, path) -> Path:
    """Write the graph without the weights it refers to, and without what the exporter noted; return the path."""
    graph, path = model.graph, Path(path)
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")  # these name lines of source files and where they lay
        part.ClearField("doc_string")
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def _refer(tensor: TensorProto, stored: _Stored) -> list:
    """Turn one initializer into a reference; return the Cast that makes its old name and type, if one is needed."""
    casts = []
    if tensor.data_type != stored.dtype:
        name, old, kind = f"{tensor.name}.stored", tensor.name, tensor.data_type
        casts = [helper.make_node("Cast", [name], [old], name=f"{old}.cast", to=kind)]
        tensor.name, tensor.data_type = name, stored.dtype
    for field in ("raw_data", "float_data", "int32_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", stored.file.name), ("offset", stored.offset), ("length", stored.length)):
        tensor.external_data.add(key=key, value=str(value))
    return casts


def _check_values(tensor: TensorProto, stored: _Stored) -> None:
    if tensor.data_location == TensorProto.EXTERNAL:
        found = f"the weights of '{tensor.name}' outside of the graph"
        raise InvalidData(found, "a graph that holds them", "Load or export it with its weights.")
    values = numpy_helper.to_array(tensor)
    # bytes, so that a NaN equals itself
    if stored.read().astype(values.dtype).tobytes() != values.tobytes():
        found = f"'{stored.file.name}' holds other values of '{tensor.name}' than the graph"
        raise InvalidData(found, "the weights that were exported", "Export from the weights of that folder.")


def _read_headers(folder: Path) -> dict[str, _Stored]:
    """Return name -> place of all float tensors of model.safetensors, or of the shards that the index names."""
    try:
        names = {SINGLE}
        if (folder / INDEX).is_file():
            names = set(json.loads((folder / INDEX).read_text())["weight_map"].values())
        return {name: place for file in sorted(names) for name, place in _read_header(folder / file).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"the safetensors of '{folder}' cannot be read ({type(error).__name__})"
        raise InvalidData(found, f"{SINGLE}, or shards with {INDEX}", "Save or fetch the weights again.") from None


def _read_header(file: Path) -> dict[str, _Stored]:
    """Read one header: its length in 8 bytes, then JSON; offsets count from the end of it."""
    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > file.stat().st_size:
            raise ValueError("header")
        entries = json.loads(opened.read(length))
    entries.pop("__metadata__", None)
    places = {}
    for name, entry in entries.items():
        start, end = entry["data_offsets"]
        if entry["dtype"] in DTYPES:
            kind, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
            places[name] = _Stored(file, kind, shape, 8 + length + start, end - start)
    return places
