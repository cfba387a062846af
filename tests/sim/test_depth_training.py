"""Training the depth VQ-VAE: scenes that a seed repeats, the code book's start and restarts, and a run end to end."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.sim

torch = pytest.importorskip("torch")
pytest.importorskip("franky_sim")
from molmoact_ros.learning.depth_scenes import DepthScenes  # noqa: E402
from molmoact_ros.learning.depth_vqvae import Recipe, kmeans, train  # noqa: E402
from molmoact_ros.model.depth_vqvae_store import load_depth_vqvae  # noqa: E402
from molmoact_ros.runtime.depth_factory import open_depth_coder  # noqa: E402


def test_a_seed_is_a_scene():
    scenes = DepthScenes()
    first, other, again = (scenes.draw(seed) for seed in (3, 4, 3))
    scenes.close()
    assert np.array_equal(first.image, again.image) and not np.array_equal(first.image, other.image)
    assert 0.2 < 1 / first.high_per_m < 1 / first.low_per_m < 3.0


def test_kmeans_finds_separate_clusters():
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    members = (centres[:, None] + 0.1 * torch.randn(3, 40, 2)).reshape(-1, 2)
    found = kmeans(members, 12)
    assert torch.cdist(centres, found).min(1).values.max() < 0.3


def test_a_short_run_writes_weights_that_load(tmp_path):
    figures = train(tmp_path, Recipe(steps=8, warm_up=0.5, test_scenes=2), log=lambda _: None)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["held_out"] == figures and np.isfinite(figures["rmse"]) and figures["codes_used"] >= 1
    codes = load_depth_vqvae(tmp_path).encode(torch.zeros(1, 1, 320, 320))
    assert np.array_equal(open_depth_coder(tmp_path).encode(np.zeros((320, 320))), codes[0])
