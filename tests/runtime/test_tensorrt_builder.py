"""Engines that are really compiled, on a machine without a GPU, and the reasons why others are not.

TensorRT-RTX compiles for a named compute capability; running what came out needs a GPU.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.model.config import DecoderConfig, NetworkConfig, VitConfig, embedded
from molmoact_ros.model.export import ExportPlan, decoder_inputs, export_decoder, export_vision
from molmoact_ros.model.network import MolmoActNetwork
from molmoact_ros.runtime import tensorrt_module
from molmoact_ros.runtime.cuda_buffers import decode, device_capability, encode
from molmoact_ros.runtime.embedding import visible
from molmoact_ros.runtime.engine_manifest import EngineManifest, checksum, read, refuse
from molmoact_ros.runtime.onnx_precision import activations, write_fp8, write_int4
from molmoact_ros.runtime.tensorrt_builder import build, decoder_profiles, engine_graph
from molmoact_ros.runtime.tensorrt_engine import within
from molmoact_ros.runtime.tensorrt_module import RTX, find_module, runtime_versions
from molmoact_ros.runtime.tensorrt_runtime import TensorRtRuntime, padded, padded_rows

pytest.importorskip("tensorrt_rtx_bindings")
TARGETS, CAPACITY = ("8.6", "8.9", "12.0"), 512
SMALL = DecoderConfig(256, 2, 4, 2, 64, 768, 512, 128)
WIDE = DecoderConfig(3584, 1, 28, 4, 128, 18944, 512, 128)
EYE = VitConfig(144, 256, 2, 2, 2, 72, 14, 729, (-1, -2), 144, 2, 2, 72, 512)


def _export(path, decoder, dtype, form="native", capacity=CAPACITY):
    with torch.device("meta"):
        network = MolmoActNetwork(NetworkConfig(decoder, vit=EYE, image_patch_id=514))
    network = network.to(dtype).to_empty(device="cpu").eval()
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    model = export_decoder(network, ExportPlan(form, capacity))
    onnx.save(model, path, save_as_external_data=True, location=path.name + ".data", size_threshold=1024)
    return path


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Two-layer decoders: file name -> path."""
    folder = tmp_path_factory.mktemp("graphs")
    kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    paths = {name: _export(folder / f"{name}.onnx", SMALL, kind) for name, kind in kinds.items()}
    paths["compat"] = _export(folder / "compat.onnx", SMALL, torch.float16, "compat")
    for name in ("int4", "fp8"):
        paths[name] = folder / f"{name}.onnx"
    write_int4(paths["fp16"], paths["int4"])
    write_fp8(paths["fp16"], paths["fp8"], {name: 8.0 for name in activations(paths["fp16"])})
    return paths


def _build(path, out, target="8.9", precision="fp16", profiles=decoder_profiles(CAPACITY), backend=RTX):
    return build(path, out, backend, target, precision, profiles)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "int4", "compat"])
def test_a_decoder_compiles_for_every_target(graphs, tmp_path, name, target):
    size = _build(graphs[name], tmp_path / "decoder.plan", target, "fp16" if name == "compat" else name)
    assert size == (tmp_path / "decoder.plan").stat().st_size > 1_000_000


def test_both_graphs_of_an_embedded_network_compile(tmp_path):
    network, eye_sizes = MolmoActNetwork(embedded(("cube", "pick", "red"))).eval(), ({"s": (1, 60, 224)},)
    plan = ExportPlan("native", 224, np.arange(20, 320))
    onnx.save(export_decoder(network, plan), tmp_path / "decoder.onnx")
    onnx.save(export_vision(network, plan), tmp_path / "vision.onnx")
    for name, sizes in (("decoder", decoder_profiles(224)), ("vision", eye_sizes)):
        assert _build(tmp_path / f"{name}.onnx", tmp_path / f"{name}.plan", precision="fp32", profiles=sizes) > 0


def test_what_the_compiler_gets_answers_as_what_was_exported(tmp_path):
    torch.manual_seed(0)
    network = MolmoActNetwork(embedded(("cube", "pick", "red"))).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    plan, (tokens, first) = ExportPlan("native", 224), (5, 7)
    onnx.save(export_decoder(network, plan), tmp_path / "decoder.onnx")
    model = engine_graph(tmp_path / "decoder.onnx", "fp32")
    attention = [node for node in model.graph.node if node.op_type == "Attention"]
    assert len(attention) == 4 and len({node.input[3] for node in attention}) == 1
    for node in attention:
        assert node.attribute.pop().name == "TRT_decomposable"
    onnx.save(model, tmp_path / "prepared.onnx")
    given = {name: tensor.numpy() for name, tensor in decoder_inputs(network, plan, tokens).items()}
    for name in given:
        if name not in ("positions", "start", "mask"):
            given[name] = np.random.default_rng(1).normal(size=given[name].shape).astype(np.float32)
    given |= {"positions": given["positions"] + first, "start": np.array([first]), "mask": visible(first, tokens, 224)}
    sessions = [onnxruntime.InferenceSession(tmp_path / f"{name}.onnx") for name in ("decoder", "prepared")]
    expected, found = ({o.name: v for o, v in zip(s.get_outputs(), s.run(None, given))} for s in sessions)
    assert all(np.allclose(found[name], expected[name], atol=1e-4) for name in expected)


def test_int4_engines_are_smaller(graphs, tmp_path):
    sizes = [_build(graphs[name], tmp_path / f"{name}.plan", "8.9", name) for name in ("int4", "fp8", "fp16")]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2] - 1_000_000


def test_fp8_needs_hardware_that_has_it(graphs, tmp_path):
    for target in ("8.9", "12.0"):
        assert _build(graphs["fp8"], tmp_path / "fp8.plan", target, "fp8") > 0
    with pytest.raises(InvalidData, match=r"precision fp8 on compute capability 8\.6; expected at least 8\.9"):
        _build(graphs["fp8"], tmp_path / "refused.plan", "8.6", "fp8")
    # also when the graph holds what it should not: the compiler itself checks the target
    with pytest.raises(InvalidData, match="fp8_e4m3"):
        _build(graphs["fp8"], tmp_path / "refused.plan", "8.6", "fp16")
    assert not (tmp_path / "refused.plan").exists()


@pytest.mark.parametrize("target, word", [("8.7", "Jetson"), ("11.0", "Jetson"), ("9.0", "full TensorRT")])
def test_targets_that_rtx_does_not_know_are_refused(graphs, tmp_path, target, word):
    with pytest.raises(InvalidData, match=rf"'{target}' for TensorRT-RTX; expected one of 7\.5.*{word}"):
        _build(graphs["fp16"], tmp_path / "decoder.plan", target)


def test_graphs_that_do_not_compile_are_refused_with_the_reason(graphs, tmp_path):
    with pytest.raises(InvalidData, match="IKVCacheUpdateLayer"):
        _build(graphs["fp16"], tmp_path / "a.plan", profiles=decoder_profiles(CAPACITY + 1))
    with pytest.raises(InvalidData, match="dimension 's' of 'embeddings'"):
        _build(graphs["fp16"], tmp_path / "a.plan", profiles=({"t": (1, 2, 3)},))
    with pytest.raises(InvalidData, match="precision 'fp7'"):
        _build(graphs["fp16"], tmp_path / "a.plan", precision="fp7")
    node = onnx.helper.make_node("NonZero", ["x"], ["y"])
    ends = [onnx.helper.make_tensor_value_info(n, k, s) for n, k, s in (("x", 1, [3]), ("y", 7, [1, None]))]
    graph = onnx.helper.make_graph([node], "odd", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 24)]), tmp_path / "odd.onnx")
    with pytest.raises(InvalidData, match="NonZero"):
        _build(tmp_path / "odd.onnx", tmp_path / "a.plan", profiles=())
    with pytest.raises(MissingPart, match="no graph"):
        _build(tmp_path / "none.onnx", tmp_path / "a.plan")


def test_a_missing_module_says_what_to_install(monkeypatch, graphs, tmp_path):
    with pytest.raises(InvalidData, match="backend 'cuda'"):
        find_module("cuda")
    monkeypatch.setitem(tensorrt_module.MODULES, RTX, ("tensorrt_rtx_of_nobody",))
    with pytest.raises(MissingPart, match=r"tensorrt_rtx_of_nobody.*pip install 'molmoact_ros\[tensorrt\]'"):
        _build(graphs["fp16"], tmp_path / "a.plan")


def test_an_engine_with_its_manifest_is_refused_elsewhere(graphs, tmp_path):
    _build(graphs["fp16"], tmp_path / "decoder.plan")
    source, files = {"model.safetensors": "a" * 64}, {"decoder.plan": checksum(tmp_path / "decoder.plan")}
    EngineManifest(RTX, "native", "fp16", "8.9", runtime_versions(RTX), source, files, CAPACITY).write(tmp_path)
    manifest = read(tmp_path)
    refuse(tmp_path, manifest, source, runtime_versions(RTX), "8.9")
    with pytest.raises(InvalidData, match="8.6"):
        refuse(tmp_path, manifest, source, runtime_versions(RTX), "8.6")
    with (tmp_path / "decoder.plan").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(InvalidData, match=r"decoder\.plan' \(1000 bytes\)"):
        refuse(tmp_path, manifest, source, runtime_versions(RTX), "8.9")


def test_without_a_gpu_the_runtime_says_so(tmp_path):
    try:
        device_capability()
    except MissingPart as error:
        assert "CUDA device" in str(error)
    else:
        pytest.skip("there is a GPU")
    manifest = EngineManifest(RTX, "native", "fp16", "8.9", {}, {"a": "b"}, {"c": "d"}, CAPACITY)
    with pytest.raises(MissingPart, match="no CUDA device"):
        TensorRtRuntime(tmp_path, embedded(("cube",)), None, manifest)


def test_windows_have_few_shapes_and_never_leave_the_cache():
    assert [padded(n, 500) for n in (1, 2, 8, 9, 17, 32, 33, 64, 65, 300)] == [1, 8, 8, 16, 32, 32, 64, 64, 128, 320]
    assert [padded(n, 20) for n in (1, 9, 17, 20)] == [1, 16, 17, 20]
    rows = padded_rows(np.ones((3, 4), np.float16), 8)
    assert rows.shape == (8, 4) and rows[:3].all() and not rows[3:].any()


def test_profiles_cover_every_size_once():
    for most in (1, 8, 32, 33, 2048):
        ranges = [profile["s"] for profile in decoder_profiles(most)]
        assert ranges[0][0] == 1 and ranges[-1][2] == most
        assert all(a <= b <= c for a, b, c in ranges)
        assert all(later[0] == earlier[2] + 1 for earlier, later in zip(ranges, ranges[1:]))
    assert within((1, 40, 8), (1, 33, 8), (1, 64, 8)) and not within((1, 32, 8), (1, 33, 8), (1, 64, 8))


def test_bfloat16_without_numpy_knowing_it():
    numbers = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    expected = torch.from_numpy(numbers).bfloat16()
    stored = encode(numbers, "BF16")
    assert np.array_equal(stored.view(np.int16), expected.view(torch.int16).numpy())
    assert np.array_equal(decode(stored, "BF16"), expected.float().numpy())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["fp16", "int4"])
def test_a_layer_of_the_7b_network_compiles(tmp_path, name):
    path = _export(tmp_path / "fp16.onnx", WIDE, torch.float16, capacity=2048)
    if name == "int4":
        write_int4(path, tmp_path / "int4.onnx")
    profiles = decoder_profiles(1024)
    sizes = [_build(tmp_path / f"{name}.onnx", tmp_path / "a.plan", target, name, profiles) for target in TARGETS]
    # 233 million weights of 2 bytes, or of half a byte and a scale of 2 for 128 of them; both profiles share them
    expected = 466e6 if name == "fp16" else 121e6
    assert all(expected < size < expected * 1.1 for size in sizes)
