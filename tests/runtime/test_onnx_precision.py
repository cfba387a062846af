"""int4 and fp8 matrices: within the rounding that their types promise, and runnable."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.model.config import embedded
from molmoact_ros.model.export import ExportPlan, export_decoder
from molmoact_ros.model.network import MolmoActNetwork
from molmoact_ros.runtime.onnx_precision import (
    BLOCK,
    activations,
    fp8_codes,
    int4_codes,
    products,
    write_fp8,
    write_int4,
)

WORDS, TOKENS, CAPACITY = ("cube", "pick", "red"), 5, 224


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An embedded decoder with random weights, exported in fp32."""
    torch.manual_seed(0)
    network = MolmoActNetwork(embedded(WORDS)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("graph") / "decoder.onnx"
    onnx.save(export_decoder(network, ExportPlan("native", CAPACITY)), path)
    return path


def _run(path, outputs=("logits",)):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    shapes = {i.name: [size if isinstance(size, int) else TOKENS for size in i.shape] for i in session.get_inputs()}
    given = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    given["embeddings"] = np.random.default_rng(1).normal(size=shapes["embeddings"]).astype(np.float32)
    given["positions"], given["start"] = np.arange(TOKENS)[None], np.zeros(1, np.int64)
    given["mask"] = (np.arange(CAPACITY) <= np.arange(TOKENS)[:, None])[None, None]
    return session.run(list(outputs), given)


def _amax(source, tmp_path):
    """Calibrate as a caller would: the activations become outputs."""
    names = list(activations(source))
    model = onnx.load(source)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    onnx.save(model, tmp_path / "watched.onnx")
    return {name: float(np.abs(value).max()) for name, value in zip(names, _run(tmp_path / "watched.onnx", names))}


def _likeness(a, b):
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("axis", [0, 1])
def test_int4_is_within_half_a_scale(dtype, axis):
    matrix = np.random.default_rng(0).normal(scale=0.05, size=(3 * BLOCK, 3 * BLOCK)).astype(dtype)
    matrix[:BLOCK, :4] = 0
    codes, scales = int4_codes(matrix, axis)
    assert codes.min() >= -8 and codes.max() <= 7 and scales.dtype == dtype
    wide = np.repeat(scales.astype(np.float64), BLOCK, axis)
    assert np.all(np.abs(codes * wide - matrix) <= 0.51 * wide)
    assert np.abs(codes).max() == 7 and not codes[:BLOCK, :4].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_fp8_is_within_a_sixteenth(dtype):
    matrix = np.random.default_rng(0).normal(scale=0.05, size=(200, 96)).astype(dtype)
    codes, scale = fp8_codes(matrix)
    exact, found = matrix.astype(np.float64), codes.astype(np.float64) * float(scale)
    # 3 bits of mantissa; the least step, for the smallest numbers, is 2 ** -9
    assert np.all(np.abs(found - exact) <= np.maximum(np.abs(exact) / 16 * 1.01, float(scale) * 2**-10 * 1.01))
    assert np.isfinite(found).all() and np.abs(found).max() == pytest.approx(np.abs(exact).max(), rel=1 / 16)


def test_the_head_stays_and_int4_takes_what_128_divides(source, tmp_path):
    config = embedded(WORDS).decoder
    names = write_int4(source, tmp_path / "int4.onnx")
    assert len(products(onnx.load(source).graph)) == 4 * config.num_hidden_layers
    # 352, the inner width, is no multiple of 128
    assert len(names) == 3 * config.num_hidden_layers
    assert not any("lm_head" in name or "ff_out" in name for name in names)


def test_stored_int4_matrices_round_the_originals(source, tmp_path):
    write_int4(source, tmp_path / "int4.onnx")
    old = {product.matrix: product for product in products(onnx.load(source).graph)}
    graph = onnx.load(tmp_path / "int4.onnx").graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(nodes) == 3 * embedded(WORDS).decoder.num_hidden_layers
    for node in nodes:
        codes, scales = (numpy_helper.to_array(stored[name]) for name in node.input)
        wide = np.repeat(scales.astype(np.float64), BLOCK, 0)
        exact = old[node.output[0]].read(source.parent)
        assert stored[node.input[0]].data_type == TensorProto.INT4 and codes.shape == exact.shape
        assert np.all(np.abs(codes.astype(np.float64) * wide - exact) <= 0.51 * wide)


def test_quantised_decoders_run_and_answer_alike(source, tmp_path):
    exact = _run(source)[0]
    write_int4(source, tmp_path / "int4.onnx")
    write_fp8(source, tmp_path / "fp8.onnx", _amax(source, tmp_path))
    assert _likeness(_run(tmp_path / "int4.onnx")[0], exact) > 0.97
    assert _likeness(_run(tmp_path / "fp8.onnx")[0], exact) > 0.995
    for name in ("int4", "fp8"):
        assert sum(path.stat().st_size for path in tmp_path.glob(f"{name}.onnx*")) < source.stat().st_size / 2


def test_activations_are_named_with_the_layer_they_enter(source):
    layers = activations(source).values()
    assert len(layers) == 4 * embedded(WORDS).decoder.num_hidden_layers
    assert "model.transformer.blocks.0.mlp.ff_proj.weight" in layers


def test_an_activation_without_amax_is_named(source, tmp_path):
    amax = _amax(source, tmp_path)
    name = sorted(amax)[0]
    with pytest.raises(InvalidData, match=name):
        write_fp8(source, tmp_path / "fp8.onnx", {**amax, name: float("nan")})
    with pytest.raises(InvalidData, match=name):
        write_fp8(source, tmp_path / "fp8.onnx", {key: value for key, value in amax.items() if key != name})


def test_gemm_weights_are_cut_along_their_own_k(tmp_path):
    weight = np.random.default_rng(0).normal(size=(8, 2 * BLOCK)).astype(np.float32)
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [3, 2 * BLOCK]), ("y", [3, 8]))]
    graph = helper.make_graph([node], "gemm", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)]), tmp_path / "gemm.onnx")
    assert write_int4(tmp_path / "gemm.onnx", tmp_path / "int4.onnx") == ["w"]
    x = np.random.default_rng(1).normal(size=(3, 2 * BLOCK)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "int4.onnx", providers=["CPUExecutionProvider"])
    assert _likeness(session.run(None, {"x": x})[0], x @ weight.T) > 0.98


def test_graphs_that_cannot_be_quantised_are_refused_by_name(source, tmp_path):
    with pytest.raises(MissingPart, match="no graph"):
        activations(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\xff" * 64)
    with pytest.raises(InvalidData, match="bad.onnx"):
        activations(tmp_path / "bad.onnx")
    old = onnx.load(source)
    old.opset_import[0].version = 18
    onnx.save(old, tmp_path / "old.onnx")
    with pytest.raises(InvalidData, match="opset 18"):
        write_int4(tmp_path / "old.onnx", tmp_path / "int4.onnx")


def test_weights_that_end_early_are_refused(source, tmp_path):
    model = onnx.load(source)
    onnx.save(model, tmp_path / "cut.onnx", save_as_external_data=True, location="cut.bin")
    data = (tmp_path / "cut.bin").read_bytes()
    (tmp_path / "cut.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(MissingPart, match="cut.bin"):
        write_int4(tmp_path / "cut.onnx", tmp_path / "int4.onnx")
