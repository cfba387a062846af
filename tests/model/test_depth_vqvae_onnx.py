"""The depth VQ-VAE on ONNX Runtime: the codes of torch, no torch to run it, and no graph beside foreign weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
from molmoact_ros.errors import InvalidData, MissingPart  # noqa: E402
from molmoact_ros.model.depth_vqvae import DepthVqvae, DepthVqvaeConfig  # noqa: E402
from molmoact_ros.model.depth_vqvae_store import save_depth_vqvae  # noqa: E402
from molmoact_ros.runtime.depth_factory import open_depth_coder  # noqa: E402
from molmoact_ros.runtime.depth_onnx import DECODER, ENCODER, SEAL, OnnxDepthCoder  # noqa: E402
from molmoact_ros.runtime.depth_torch import TorchDepthCoder  # noqa: E402

SHIPPED = Path(__file__).parents[2] / "models" / "depth_vqvae"
SMALL = DepthVqvaeConfig(image_size=64, widths=(4, 4, 4, 4, 8), codebook_size=20, codebook_dim=6)
PICTURES = 64
FIRST_TEST_SEED = 20_000

# Opens and runs the shipped graphs where nothing but ONNX Runtime and numpy can be imported.
WITHOUT_TORCH = """
import sys
for name in ("torch", "onnx", "safetensors"):
    sys.modules[name] = None
import numpy as np
from molmoact_ros.runtime.depth_factory import open_depth_coder
coder = open_depth_coder(sys.argv[1])
print(coder.decode(coder.encode(np.full((320, 320), 0.5, np.float32))).shape)
"""


def run_without_torch(path):
    return subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(path)], capture_output=True, text=True)


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(SHIPPED, tmp_path / "depth_vqvae")


@pytest.mark.sim
def test_codes_and_pictures_are_those_of_torch():
    pytest.importorskip("franky_sim")
    from molmoact_ros.learning.depth_scenes import DepthScenes

    scenes, onnx, torch_ = DepthScenes(), OnnxDepthCoder(SHIPPED, threads=2), TorchDepthCoder(SHIPPED, threads=2)
    images = [scenes.draw(FIRST_TEST_SEED + i).image for i in range(PICTURES)]
    scenes.close()
    expected = np.stack([torch_.encode(image) for image in images])
    codes = np.stack([onnx.encode(image) for image in images])
    assert codes.dtype == np.int64 and codes.shape == (PICTURES, 10, 10) and len(np.unique(codes)) > 50
    # two entries of the book may be equally near, and another CPU adds up in another order
    assert np.mean(codes != expected) <= 1e-3
    for grid in codes[::8]:
        assert np.abs(onnx.decode(grid) - torch_.decode(grid)).max() < 1e-5


def test_the_graphs_hold_no_weights_and_no_notes_of_the_exporter():
    for name in (ENCODER, DECODER):
        content = (SHIPPED / name).read_bytes()
        assert len(content) < 50_000 and b"stack_trace" not in content and b".py" not in content


def test_the_shipped_graphs_run_without_torch_and_through_links(tmp_path):
    for file in SHIPPED.iterdir():
        (tmp_path / file.name).symlink_to(file)
    done = run_without_torch(tmp_path)
    assert done.stdout == "(320, 320)\n", done.stderr


def test_weights_alone_need_torch_and_say_so(copied):
    assert isinstance(open_depth_coder(SHIPPED), OnnxDepthCoder)
    (copied / ENCODER).unlink()
    assert isinstance(open_depth_coder(copied), TorchDepthCoder)
    assert "molmoact_ros[model]" in run_without_torch(copied).stderr
    with pytest.raises(MissingPart, match="no weights of the depth VQ-VAE"):
        open_depth_coder(copied / "nowhere.pt")


@pytest.mark.parametrize("name", [ENCODER, DECODER, "model-00002-of-00003.safetensors"])
def test_files_that_were_not_exported_together_are_refused(copied, name):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(InvalidData, match=f"{name}' is not the file that was exported"):
        open_depth_coder(copied)


@pytest.mark.parametrize("seal", ["", "[]", "{}", '{"codebook_size": 128, "sha256": 3}', '{"codebook_size": null}'])
def test_a_damaged_seal_is_refused(copied, seal):
    (copied / SEAL).write_text(seal)
    with pytest.raises(InvalidData, match="cannot be read"):
        open_depth_coder(copied)


def test_a_seal_has_to_name_all_files_of_its_own_folder(copied):
    seal = json.loads((copied / SEAL).read_text())
    for change in ({"../manifest.json": "0"}, {"model-00009.safetensors": "0"}):
        (copied / SEAL).write_text(json.dumps(seal | {"sha256": seal["sha256"] | change}))
        with pytest.raises(MissingPart, match="all files that onnx.json names"):
            open_depth_coder(copied)
    del seal["sha256"][DECODER]
    (copied / SEAL).write_text(json.dumps(seal))
    with pytest.raises(InvalidData, match="is not the file that was exported"):
        open_depth_coder(copied)
    (copied / SEAL).unlink()
    with pytest.raises(MissingPart, match="no 'onnx.json'"):
        open_depth_coder(copied)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_an_export_answers_like_the_network_it_came_from(tmp_path, dtype):
    pytest.importorskip("onnxscript")
    from molmoact_ros.model.depth_vqvae_store import load_depth_vqvae
    from molmoact_ros.runtime.depth_export import export_depth_vqvae

    torch.manual_seed(0)
    save_depth_vqvae(DepthVqvae(SMALL), tmp_path, dtype)
    assert [file.name for file in export_depth_vqvae(tmp_path, SMALL)] == [ENCODER, DECODER, SEAL]
    network, coder = load_depth_vqvae(tmp_path, SMALL), open_depth_coder(tmp_path)
    image = torch.rand(64, 64)
    codes = network.encode(image[None, None])
    assert coder.codebook_size == 20 and np.array_equal(coder.encode(image.numpy()), codes[0])
    assert np.abs(coder.decode(codes[0]) - network.decode(codes)[0, 0].numpy()).max() < 1e-5
