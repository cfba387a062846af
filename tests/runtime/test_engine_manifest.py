"""What an engine says about itself, and that none is run where it does not belong."""

import json
from dataclasses import replace

import pytest

from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.runtime.engine_manifest import NAME, EngineManifest, checksum, read, refuse

SOURCE, HERE = {"model.safetensors": "a" * 64, "config.json": "b" * 64}, {"tensorrt_rtx": "1.7.1"}


@pytest.fixture
def folder(tmp_path):
    """Two engine files with their manifest, built for 8.9."""
    for name in ("decoder.plan", "vision.plan"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    files = {path.name: checksum(path) for path in tmp_path.glob("*.plan")}
    versions = {**HERE, "onnx": "1"}
    figures = {"capacity": 2048, "parity": {"tokens_equal": 1.0}, "legal": (3, 5, 8)}
    EngineManifest("tensorrt_rtx", "native", "int4", "8.9", versions, SOURCE, files, **figures).write(tmp_path)
    return tmp_path


def _refuse(folder, source=SOURCE, versions=HERE, capability="8.9"):
    refuse(folder, read(folder), source, versions, capability)


def test_a_manifest_comes_back_as_it_was_written(folder):
    manifest = read(folder)
    assert manifest.legal == (3, 5, 8) and manifest.capacity == 2048 and manifest.parity == {"tokens_equal": 1.0}
    text = (folder / NAME).read_text()
    manifest.write(folder)
    assert (folder / NAME).read_text() == text and read(folder) == manifest


def test_what_fits_is_not_refused(folder):
    _refuse(folder)


def test_another_gpu_is_named(folder):
    with pytest.raises(InvalidData, match=r"built for compute capability 8\.9 on a GPU of 12\.0"):
        _refuse(folder, capability="12.0")
    with pytest.raises(MissingPart, match="no CUDA device.*8.9"):
        _refuse(folder, capability="")


def test_another_version_of_the_runtime_is_named(folder):
    with pytest.raises(InvalidData, match=r"tensorrt_rtx 1\.7\.1; expected 1\.8\.0"):
        _refuse(folder, versions={"tensorrt_rtx": "1.8.0"})
    with pytest.raises(InvalidData, match="unknown"):
        _refuse(folder, versions={"tensorrt": "11.4"})


def test_another_checkpoint_is_named_by_its_file(folder):
    with pytest.raises(InvalidData, match="another checkpoint: its 'model.safetensors' differs"):
        _refuse(folder, source={**SOURCE, "model.safetensors": "c" * 64})
    with pytest.raises(InvalidData, match="'model-2.safetensors'"):
        _refuse(folder, source={**SOURCE, "model-2.safetensors": "c" * 64})


def test_a_damaged_engine_is_named(folder):
    whole = (folder / "decoder.plan").read_bytes()
    (folder / "decoder.plan").write_bytes(whole[:-1])
    with pytest.raises(InvalidData, match=r"decoder\.plan' \(11999 bytes\) damaged"):
        _refuse(folder)
    (folder / "decoder.plan").write_bytes(whole[:-1] + b"x")
    with pytest.raises(InvalidData, match=r"decoder\.plan"):
        _refuse(folder)


def test_a_missing_engine_is_named(folder):
    (folder / "vision.plan").unlink()
    with pytest.raises(MissingPart, match=r"vision\.plan"):
        _refuse(folder)


def test_graphs_belong_to_no_gpu_and_no_version(folder):
    manifest = replace(read(folder), backend="onnx", compute_capability="")
    refuse(folder, manifest, SOURCE, {"onnxruntime": "2"}, "")


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "magic"},
        {"precision": "fp7"},
        {"form": "old"},
        {"compute_capability": ""},
        {"files": {}},
        {"files": {"../decoder.plan": "a"}},
        {"capacity": 0},
        {"capacity": "many"},
        {"versions": []},
        {"surprise": 1},
    ],
)
def test_nonsense_is_refused(folder, change):
    data = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**data, **change}))
    with pytest.raises(InvalidData, match=next(iter(change)).replace("_", "[_ ]")):
        read(folder)


def test_a_manifest_that_is_none_is_refused(folder):
    for text in ("{", "[]", "{}"):
        (folder / NAME).write_text(text)
        with pytest.raises(InvalidData, match=NAME):
            read(folder)
    (folder / NAME).unlink()
    with pytest.raises(MissingPart, match=NAME):
        read(folder)
