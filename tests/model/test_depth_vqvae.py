"""The depth VQ-VAE: sizes and names of the published one, what it computes, and which files it takes."""

import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

from molmoact_ros.errors import InvalidData, MissingPart  # noqa: E402
from molmoact_ros.model.depth_vqvae import DepthVqvae, DepthVqvaeConfig, EmaQuantizer  # noqa: E402
from molmoact_ros.model.depth_vqvae_store import SHARD_BYTES, load_depth_vqvae, save_depth_vqvae  # noqa: E402

SHIPPED = Path(__file__).parents[2] / "models" / "depth_vqvae"
SMALL = DepthVqvaeConfig(widths=(4, 4, 4, 4, 8), codebook_dim=6)


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return DepthVqvae().eval()


@pytest.fixture
def small():
    torch.manual_seed(0)
    return DepthVqvae(SMALL).eval()


def same_weights(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_parameter_counts_are_the_published_ones(model):
    assert parameters(model.encoder) == 3_320_560
    assert parameters(model.decoder) == 4_368_641
    assert parameters(model._vq_vae) == 0


def test_names_and_shapes_are_the_published_ones(model):
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    expected = {
        "encoder.0.weight": (16, 1, 4, 4),
        "encoder.8.weight": (256, 128, 4, 4),
        "encoder.10.net.0.weight": (256, 256, 3, 3),
        "encoder.11.net.4.bias": (256,),
        "encoder.12.weight": (512, 256, 1, 1),
        "decoder.0.weight": (256, 512, 1, 1),
        "decoder.3.net.2.weight": (256, 256, 3, 3),
        "decoder.4.weight": (256, 256, 4, 4),
        "decoder.12.weight": (32, 16, 4, 4),
        "decoder.14.weight": (1, 16, 1, 1),
        "_vq_vae._embedding": (128, 512),
        "_vq_vae._ema_cluster_size": (128,),
        "_vq_vae._ema_w": (128, 512),
    }
    assert {name: shapes[name] for name in expected} == expected
    # 6 + 6 convolutions outside residual blocks in the encoder's and 7 in the decoder's row, 4 blocks of 3, 3 buffers
    assert len(shapes) == 2 * (6 + 7 + 4 * 3) + 3


def test_an_image_becomes_a_grid_of_codes_and_an_image(model):
    codes = model.encode(torch.rand(2, 1, 320, 320))
    assert codes.shape == (2, 10, 10) and codes.dtype == torch.int64
    assert 0 <= codes.min() and codes.max() < 128
    assert model.decode(codes).shape == (2, 1, 320, 320)


def test_codes_are_row_major(small):
    image = torch.zeros(1, 1, 320, 320)
    image[..., :64, 192:256] = 1.0
    changed = small.encoder(image) - small.encoder(torch.zeros_like(image))
    rows, columns = torch.nonzero(changed[0].abs().sum(0) > 0.5 * changed[0].abs().sum(0).max(), as_tuple=True)
    assert rows.max() <= 3 and columns.min() >= 4


def test_the_nearest_entry_is_the_one_at_the_smallest_distance():
    torch.manual_seed(1)
    quantizer = EmaQuantizer(DepthVqvaeConfig(codebook_dim=8))
    z = torch.randn(50, 8)
    assert torch.equal(quantizer.nearest(z), torch.cdist(z, quantizer._embedding).argmin(1))


def test_training_moves_used_entries_to_their_inputs_and_passes_gradients_through(small):
    small.train()
    images = torch.rand(2, 1, 320, 320)
    _, loss, codes = small(images)
    loss.backward()
    assert small.encoder[0].weight.grad.abs().sum() > 0
    quantizer, z = small._vq_vae, torch.randn(64, 6)
    chosen = torch.full((64,), int(codes[0, 0, 0]))
    for _ in range(1500):
        quantizer.update(z, chosen)
    assert torch.allclose(quantizer._embedding[chosen[0]], z.mean(0), atol=1e-3)
    assert torch.isfinite(quantizer._embedding).all()


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"weights": s}], ids=["raw", "weights"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_file_layouts_load(small, tmp_path, wrap, prefix):
    torch.save(wrap({prefix + name: tensor for name, tensor in small.state_dict().items()}), tmp_path / "vae-final.pt")
    assert same_weights(load_depth_vqvae(tmp_path / "vae-final.pt", SMALL), small)


def test_safetensors_load_from_file_folder_and_shards(small, tmp_path, monkeypatch):
    save_file(small.state_dict(), tmp_path / "one.safetensors")
    assert same_weights(load_depth_vqvae(tmp_path / "one.safetensors", SMALL), small)
    monkeypatch.setattr("molmoact_ros.model.depth_vqvae_store.SHARD_BYTES", 25_000)
    files = save_depth_vqvae(small, tmp_path / "sharded", torch.float32)
    assert len(files) > 2 and same_weights(load_depth_vqvae(tmp_path / "sharded", SMALL), small)
    files[0].unlink()
    with pytest.raises(MissingPart, match="no .model-00001"):
        load_depth_vqvae(tmp_path / "sharded", SMALL)


class Bomb:
    def __reduce__(self):
        return (print, ("code from a checkpoint ran",))


def test_code_in_a_checkpoint_is_refused(tmp_path, capsys):
    torch.save({"weights": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.pt", "plain.pt"):
        with pytest.raises(InvalidData, match="without code"):
            load_depth_vqvae(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_unfit_weights_are_refused_in_one_line(small, tmp_path):
    with pytest.raises(MissingPart, match="train depth-vqvae"):
        load_depth_vqvae(tmp_path / "nowhere")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    nan = small.state_dict() | {"_vq_vae._embedding": torch.full((128, 6), float("nan"))}
    torch.save(nan, tmp_path / "nan.pt")
    for name in ("text.safetensors", "other.pt", "list.pt", "nan.pt"):
        with pytest.raises(InvalidData) as error:
            load_depth_vqvae(tmp_path / name, SMALL)
        assert "\n" not in str(error.value)


def test_shipped_weights_fit_in_small_files_and_keep_a_ramp():
    assert all(path.stat().st_size <= SHARD_BYTES for path in SHIPPED.iterdir())
    network = load_depth_vqvae(SHIPPED)
    ramp = torch.linspace(0, 1, 320)[:, None].expand(320, 320)[None, None]
    assert (network.decode(network.encode(ramp)) - ramp).abs().mean() < 0.05
