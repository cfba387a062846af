"""Write an embedded model as a checkpoint that the cell can load: config, weights, statistics, manifest."""

import json
from pathlib import Path

from safetensors.torch import save_file

from ..model.network import MolmoActNetwork
from ..reasoning.manifest import manifest_path, pin, save_manifest
from ..runtime.factory import drop_graphs
from .spelling import Spelling


def save(network: MolmoActNetwork, folder, spelling: Spelling = Spelling(), training: dict | None = None) -> None:
    """Write config, weights, statistics and, beside the folder, the manifest; interrupted, the old weights stay.

    training: the recipe, which goes into the manifest.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(network.config.to_dict(), indent=1))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "partial.safetensors")
    (folder / "partial.safetensors").rename(folder / "model.safetensors")
    drop_graphs(folder)
    (folder / "norm_stats.json").write_text(json.dumps(spelling.statistics(), indent=1) + "\n")
    recipe = training or {}
    manifest = spelling.manifest(f"embedded-{recipe.get('name', 'untrained')}")
    save_manifest(manifest_path(folder), {**manifest, **({"training": recipe} if recipe else {})})
    pin(folder)
