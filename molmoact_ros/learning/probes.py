"""Make the probe frames of the checkpoint gate: simulated tables, both cameras, the depth codes that belong to them."""

from pathlib import Path

from ..model.depth_vqvae_store import load_depth_vqvae
from ..perception.depth_image import inverse_depth
from ..perception.raster import resize
from ..reasoning.probes import Probe, save_probes
from ..sim.language import instruction
from ..sim.layout import sample_layout
from ..sim.scene import CAMERAS
from ..sim.world import World
from ..types import Frame
from .demonstrations import MODEL_IMAGE

COUNT = 4


def make_probes(path, depth_model, seed: int) -> Path:
    """Write COUNT probes of consecutive seeds to `path` (.npz) and return it."""
    import torch

    model, world = load_depth_vqvae(depth_model), World()
    probes = []
    for one in range(seed, seed + COUNT):
        layout = sample_layout(one)
        world.reset(layout)
        frame = world.frame(cameras=CAMERAS)
        picture = torch.from_numpy(inverse_depth(frame.depth_m).image)
        codes = model.encode(picture[None, None])[0].numpy()
        images = {name: resize(image, MODEL_IMAGE) for name, image in frame.images.items()}
        small = Frame(frame.stamp_ns, images, frame.depth_m, frame.K, frame.T_base_camera, frame.robot)
        probes.append(Probe(small, instruction(layout), codes))
    world.renderer.close()
    save_probes(path, probes)
    return Path(path)
