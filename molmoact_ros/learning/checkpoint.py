"""Write an embedded model as a checkpoint that the cell can load: config, weights, statistics, manifest."""

import json
import math
from pathlib import Path

from safetensors.torch import save_file

from ..model.network import MolmoActNetwork
from ..reasoning.manifest import manifest_path, pin, save_manifest
from ..runtime.factory import drop_graphs
from .demonstrations import MODEL_IMAGE
from .expert import DT_S, HORIZON
from .samples import ACTION_CODEC, ACTION_DIMS, STATE_CODEC

_KEY = "embedded"
STATISTICS = {
    _KEY: {
        "action": {"q01": list(ACTION_CODEC.q01), "q99": list(ACTION_CODEC.q99)},
        "proprio": {"q01": list(STATE_CODEC.q01), "q99": list(STATE_CODEC.q99)},
    }
}
EMBEDDED_MANIFEST = {
    "name": "embedded-tabletop",
    "layout": "embedded",
    "source": "molmoact train embedded",
    "license": "Apache-2.0",
    "cameras": ["front"],
    "arms": 1,
    "horizon": HORIZON,
    "control_rate_hz": 1 / DT_S,
    "action_frame": "absolute_base",
    "gripper": "open_is_1",
    "unnorm_key": _KEY,
    "norm_stats": "norm_stats.json",
    "embedded": {
        "dims": list(ACTION_DIMS),
        # The gripper points down throughout the demonstrations; see the action convention in types.ActionChunk.
        "constant": [0.0, 0.0, 0.0, math.pi, 0.0, 0.0, 0.0],
        "image_size": list(MODEL_IMAGE),
    },
}


def save(network: MolmoActNetwork, folder, training: dict | None = None) -> None:
    """Write config, weights, statistics and, beside the folder, the manifest; interrupted, the old weights stay."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(network.config.to_dict(), indent=1))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "partial.safetensors")
    (folder / "partial.safetensors").rename(folder / "model.safetensors")
    drop_graphs(folder)
    (folder / "norm_stats.json").write_text(json.dumps(STATISTICS, indent=1) + "\n")
    recipe = {"training": training} if training else {}
    save_manifest(manifest_path(folder), {**EMBEDDED_MANIFEST, **recipe})
    pin(folder)
