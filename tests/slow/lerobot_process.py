"""Run inside LeRobot's environment: `read FOLDER OUT.npz` with its own loader, or `make FOLDER` with its own writer."""

import sys

import numpy as np
import torch

# torchvision's compiled operators come for CUDA builds of torch alone; nothing here calls them, but their names must be.
_OPERATORS = (
    "nms qnms roi_align qroi_align _roi_align_backward ps_roi_align _ps_roi_align_backward roi_pool _roi_pool_backward "
    "ps_roi_pool _ps_roi_pool_backward deform_conv2d _deform_conv2d_backward"
)
_LIBRARY = torch.library.Library("torchvision", "DEF")
for _name in _OPERATORS.split():
    _LIBRARY.define(f"{_name}(Tensor x) -> Tensor")

from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402


def read(folder: str, out: str) -> None:
    """Load a dataset and save every column of every frame."""
    dataset = LeRobotDataset("local/ours", root=folder)
    frames = [dataset[i] for i in range(len(dataset))]
    columns = {k: np.array([np.asarray(f[k]) for f in frames]) for k in frames[0]}
    np.savez(out, episodes=dataset.meta.total_episodes, fps=dataset.fps, **columns)


def make(folder: str) -> None:
    """Write a small dataset with LeRobot's own writer: two episodes of a gripper that closes and lifts."""
    features = {
        "observation.images.side": {"dtype": "image", "shape": (48, 64, 3), "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": (7,), "names": list("xyzrpw") + ["g"]},
        "action": {"dtype": "float32", "shape": (7,), "names": list("xyzrpw") + ["g"]},
    }
    dataset = LeRobotDataset.create("local/theirs", fps=10, features=features, root=folder, use_videos=False)
    rng = np.random.default_rng(0)
    for _ in range(2):
        for step in range(12):
            opened, width = float(step < 6), 0.08 - 0.01 * max(0, step - 6)
            pose = [0.45 + 0.01 * step, 0.05, 0.2 - 0.01 * step, np.pi, 0.0, 0.0]
            frame = {
                "observation.images.side": rng.integers(0, 255, (48, 64, 3), dtype=np.uint8),
                "observation.state": np.array([*pose, width], np.float32),
                "action": np.array([*pose, opened], np.float32),
                "task": "pick up the cup",
            }
            dataset.add_frame(frame)
        dataset.save_episode()
    if hasattr(dataset, "finalize"):
        dataset.finalize()


if __name__ == "__main__":
    {"read": read, "make": make}[sys.argv[1]](*sys.argv[2:])
