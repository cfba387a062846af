"""Train the depth VQ-VAE on depth pictures of the simulated cell.

The published recipe (specification section 4.4: MSE, commitment 0.25, moving-average code book, Adam 1e-3) with what a
short run needs: initial weights that keep the signal's size, a warm-up without codes, a code book that starts from
k-means, restarts of entries that nobody uses, and crops first because they cost a quarter.
"""

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..model.depth_vqvae import DepthVqvae, ResidualBlock
from ..model.depth_vqvae_store import load_depth_vqvae, save_depth_vqvae
from ..runtime.depth_export import export_depth_vqvae
from .depth_scenes import DepthScenes

# Seeds from 20000 up are for evaluation only, in the whole project.
FIRST_TEST_SEED = 20_000
CROP = 160
RESTART_EVERY = 50
MEAN_INTENSITY = 0.4


@dataclass(frozen=True)
class Recipe:
    """One training run. Fractions are of `steps`: before `warm_up` no codes, before `crops` parts of pictures."""

    steps: int = 3000
    crop_batch: int = 4
    full_batch: int = 1
    learning_rate: float = 7e-4
    warm_up: float = 0.25
    crops: float = 0.75
    test_scenes: int = 64
    seed: int = 0
    threads: int = 1

    def rate(self, step: int) -> float:
        """Learning rate of a step: 100 steps up, then half a cosine down to a hundredth."""
        rise = min(1.0, (step + 1) / 100)
        return self.learning_rate * rise * (0.505 + 0.495 * math.cos(math.pi * step / self.steps))


def train(output, recipe: Recipe = Recipe(), log=print) -> dict:
    """Train, write weights, manifest.json and ONNX graphs to the folder `output`, and return the held-out figures."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    scenes, rng = DepthScenes(), np.random.default_rng(recipe.seed)
    started = time.process_time()
    model = _fit(recipe, scenes, rng, log)
    files = save_depth_vqvae(model, output)
    figures = evaluate(load_depth_vqvae(output), scenes, recipe.test_scenes)
    scenes.close()
    figures["train_cpu_s"] = round(time.process_time() - started)
    _write_manifest(Path(output), recipe, files, figures)
    export_depth_vqvae(output)
    log(json.dumps(figures))
    return figures


def _fit(recipe: Recipe, scenes: DepthScenes, rng, log) -> DepthVqvae:
    model = DepthVqvae().train().to(memory_format=torch.channels_last)
    _initialise(model)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    recent, running = [], 0.0
    for step in range(recipe.steps):
        images = draw_batch(scenes, rng, recipe, crop=step < recipe.crops * recipe.steps)
        loss, z = _loss(model, images, quantise=step >= recipe.warm_up * recipe.steps)
        optimiser.param_groups[0]["lr"] = recipe.rate(step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        recent = [*recent[-39:], z]
        _tend_code_book(model, recipe, step, recent)
        running += 0.02 * (loss.item() - running) if step else loss.item()
        if (step + 1) % 100 == 0:
            log(f"step {step + 1}/{recipe.steps} loss {running:.5f}")
    return model.eval()


def draw_batch(scenes: DepthScenes, rng, recipe: Recipe, crop: bool) -> torch.Tensor:
    """Draw whole pictures (full_batch, 1, 320, 320) or crops (crop_batch, 1, 160, 160), two of each scene."""
    count = recipe.crop_batch // 2 if crop else recipe.full_batch
    pictures = np.stack([scenes.draw(int(rng.integers(FIRST_TEST_SEED))).image for _ in range(count)])
    if crop:
        corners = rng.integers(0, pictures.shape[1] - CROP + 1, (count, 2, 2))
        pictures = np.stack([p[y : y + CROP, x : x + CROP] for p, two in zip(pictures, corners) for y, x in two])
    return torch.from_numpy(pictures)[:, None].contiguous(memory_format=torch.channels_last)


def _loss(model: DepthVqvae, images, quantise: bool):
    """Return the loss and the encoder's output as (N, dim); bfloat16 where it does no harm."""
    kept = []
    hook = model.encoder.register_forward_hook(lambda _, __, z: kept.append(z.detach().float()))
    with torch.autocast("cpu", torch.bfloat16):
        if quantise:
            _, loss, _ = model(images)
        else:
            loss = F.mse_loss(model.decoder(model.encoder(images)).float(), images)
    hook.remove()
    return loss, kept[0].permute(0, 2, 3, 1).flatten(0, 2)


def _initialise(model: DepthVqvae) -> None:
    """He initialisation with residual branches at zero; no normalisation layer would repair a shrinking signal."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # A 4x4 stride-2 transposed convolution sums only 4 of its 16 taps per output pixel.
            fan = module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.in_channels * 4
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan))
            nn.init.zeros_(module.bias)
    for block in (m for m in model.modules() if isinstance(m, ResidualBlock)):
        nn.init.zeros_(block.net[-1].weight)
    for last in (model.encoder[-1], model.decoder[-1]):
        nn.init.normal_(last.weight, std=0.3 / math.sqrt(last.in_channels))
    nn.init.constant_(model.decoder[-1].bias, MEAN_INTENSITY)


def _tend_code_book(model: DepthVqvae, recipe: Recipe, step: int, recent: list) -> None:
    """Start the code book from k-means when the warm-up ends; later move unused entries to inputs of these days."""
    book, first = model._vq_vae, int(recipe.warm_up * recipe.steps)
    if step + 1 == first:
        inputs = torch.cat(recent)
        centres = kmeans(inputs, len(book._embedding))
        _set_entries(book, torch.arange(len(centres)), centres, len(inputs) / len(recent) / len(centres))
    elif step > first and step % RESTART_EVERY == 0 and step < 0.9 * recipe.steps:
        mean = book._ema_cluster_size.mean()
        unused = torch.nonzero(book._ema_cluster_size < 0.03 * mean).flatten()
        inputs = torch.cat(recent[-5:])
        _set_entries(book, unused, inputs[torch.randperm(len(inputs))[: len(unused)]], float(mean) / 3)


def _set_entries(book, which, vectors, size: float) -> None:
    book._embedding[which] = vectors
    book._ema_cluster_size[which] = size
    book._ema_w[which] = vectors * size


def kmeans(vectors: torch.Tensor, count: int, rounds: int = 10) -> torch.Tensor:
    """Cluster (N, dim) vectors by Lloyd's algorithm from random members; an empty cluster keeps its centre."""
    centres = vectors[torch.randperm(len(vectors))[:count]].clone()
    for _ in range(rounds):
        nearest = torch.cdist(vectors, centres).argmin(1)
        sizes = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
    return centres


def evaluate(model: DepthVqvae, scenes: DepthScenes, count: int) -> dict:
    """Measure reconstruction and code usage on scenes that training never saw.

    mae / rmse: in the picture's 0..1; *_per_m: inverse depth [1/m]; *_mm: depth of pixels between 0.7 and 1.3 m.
    """
    errors, inverse_errors, millimetres, codes = [], [], [], []
    for seed in range(FIRST_TEST_SEED, FIRST_TEST_SEED + count):
        truth = scenes.draw(seed)
        grid = model.encode(torch.from_numpy(truth.image)[None, None])
        guess = model.decode(grid)[0, 0].numpy()
        table = (truth.metres() > 0.7) & (truth.metres() < 1.3)
        errors.append(guess - truth.image)
        inverse_errors.append(np.abs(errors[-1]).mean() * (truth.high_per_m - truth.low_per_m))
        millimetres.append(1000 * np.abs(truth.metres(guess) - truth.metres())[table])
        codes.append(grid.flatten().numpy())
    share = np.bincount(np.concatenate(codes), minlength=model.config.codebook_size) / np.concatenate(codes).size
    entropy = -float(np.sum(share[share > 0] * np.log2(share[share > 0])))
    table_mm = np.concatenate(millimetres)
    return {
        "test_scenes": count,
        "mae": round(float(np.mean(np.abs(errors))), 5),
        "rmse": round(float(np.sqrt(np.mean(np.square(errors)))), 5),
        "mae_per_m": round(float(np.mean(inverse_errors)), 5),
        "table_mean_mm": round(float(table_mm.mean()), 2),
        "table_median_mm": round(float(np.median(table_mm)), 2),
        "codes_used": int((share > 0).sum()),
        "code_entropy_bits": round(entropy, 3),
        "code_perplexity": round(2**entropy, 1),
    }


def _write_manifest(folder: Path, recipe: Recipe, files: list[Path], figures: dict) -> None:
    manifest = {
        "name": "depth_vqvae",
        "source": "trained on depth rendered from molmoact_ros/sim (front camera)",
        "architecture": "MolmoAct depth VQ-VAE (allenai/MolmoAct scripts/vqvae.py): 320x320 -> 10x10 codes of 128",
        "command": f"molmoact train depth-vqvae --seed {recipe.seed} --steps {recipe.steps}",
        "recipe": asdict(recipe),
        "torch": torch.__version__,
        "held_out": figures,
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
