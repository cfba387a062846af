"""Graphs that read their weights from safetensors: same answers, nothing stored twice, and no foreign values."""

import json

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

from molmoact_ros.errors import InvalidData  # noqa: E402
from molmoact_ros.runtime.onnx_weights import refer_weights, save_beside  # noqa: E402

X = np.random.default_rng(1).normal(size=(2, 64)).astype(np.float32)


def weights() -> dict:
    """Values that float16 holds, in float32."""
    rng = np.random.default_rng(0)
    shapes = {"first.weight": (64, 48), "second.weight": (48, 32), "bias": (32,)}
    return {name: rng.normal(size=shape).astype(np.float16).astype(np.float32) for name, shape in shapes.items()}


def graph(values: dict, dtype=np.float32):
    """(x @ first.weight) @ second.weight + bias."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("MatMul", ["x", "first.weight"], ["a"]),
        helper.make_node("MatMul", ["a", "second.weight"], ["b"]),
        helper.make_node("Add", ["b", "bias"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(n, kind, s) for n, s in (("x", (2, 64)), ("y", (2, 32))))
    tensors = [numpy_helper.from_array(value.astype(dtype), name) for name, value in values.items()]
    made = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answer(model, x=X):
    """Run a model, given as bytes or as a path."""
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def store(folder, values: dict, dtype, shards: int) -> None:
    """Write model.safetensors, or shards with their index; of odd lengths, so that offsets are not aligned."""
    stored = {name: value.astype(dtype) for name, value in values.items()}
    if shards == 1:
        return save_file(stored, folder / "model.safetensors", {"note": "x" * 3})
    names = {name: f"part-{i % shards}.safetensors" for i, name in enumerate(stored)}
    for file in set(names.values()):
        save_file({name: stored[name] for name in names if names[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("graph_dtype, file_dtype", [("f4", "f4"), ("f4", "f2"), ("f2", "f2"), ("f2", "f4")])
def test_a_graph_that_refers_answers_the_same(tmp_path, graph_dtype, file_dtype, shards):
    model, x = graph(weights(), graph_dtype), X.astype(graph_dtype)
    expected = answer(model.SerializeToString(), x)
    store(tmp_path, weights(), file_dtype, shards)
    assert refer_weights(model, tmp_path) == 3
    path = save_beside(model, tmp_path / "g.onnx")
    assert path.stat().st_size < 2000 and np.array_equal(answer(path, x), expected)
    onnx.checker.check_model(path)


def test_bfloat16_is_cast(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    values = {name: torch.from_numpy(value).bfloat16() for name, value in weights().items()}
    save_file(values, tmp_path / "model.safetensors")
    model = graph({name: value.float().numpy() for name, value in values.items()})
    expected = answer(model.SerializeToString())
    assert refer_weights(model, tmp_path) == 3
    assert np.array_equal(answer(save_beside(model, tmp_path / "g.onnx")), expected)


def test_what_has_no_match_or_is_skipped_stays(tmp_path):
    values = weights()
    store(tmp_path, {"first.weight": values["first.weight"], "bias": np.zeros(7)}, "f4", 1)
    model = graph(values)
    assert refer_weights(model, tmp_path, skip={"first.weight"}) == 0
    assert model == graph(values)
    assert refer_weights(model, tmp_path) == 1
    inside = {t.name for t in model.graph.initializer if t.data_location != TensorProto.EXTERNAL}
    assert inside == {"second.weight", "bias"}
    assert np.array_equal(answer(save_beside(model, tmp_path / "g.onnx")), answer(graph(values).SerializeToString()))


def test_other_values_are_refused(tmp_path):
    values = weights()
    store(tmp_path, values, "f2", 1)
    values["second.weight"][3, 4] += 1e-6
    with pytest.raises(InvalidData, match="other values of 'second.weight'"):
        refer_weights(graph(values), tmp_path)


def test_a_graph_whose_weights_are_elsewhere_is_refused(tmp_path):
    store(tmp_path, weights(), "f4", 1)
    model = graph(weights())
    refer_weights(model, tmp_path)
    with pytest.raises(InvalidData, match="outside of the graph"):
        refer_weights(model, tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\xff" * 30, b"\x02" + b"\0" * 7 + b"[]"])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InvalidData, match="cannot be read"):
        refer_weights(graph(weights()), tmp_path)
