"""Run inside LeRobot's environment, which reads and writes with its own code.

read FOLDER OUT.npz, copy FOLDER NEW: read every frame and write it again, make FOLDER image|video.
"""

import sys

import numpy as np
import torch

# torchvision's compiled operators are for CUDA builds of torch; nothing here calls them, but their names must be.
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


def copy(folder: str, new: str) -> None:
    """Read a dataset frame by frame and write what was read."""
    dataset = LeRobotDataset("local/ours", root=folder)
    own = {"timestamp", "frame_index", "episode_index", "index", "task_index"}
    features = {name: feature for name, feature in dataset.features.items() if name not in own}
    written = LeRobotDataset.create("local/new", fps=dataset.fps, features=features, root=new, use_videos=False)
    for number in range(len(dataset)):
        frame = dataset[number]
        if number and frame["frame_index"] == 0:
            written.save_episode()
        numbers = [name for name, feature in features.items() if feature["dtype"] != "image"]
        row = {name: np.asarray(frame[name]).reshape(features[name]["shape"]) for name in numbers}
        pictures = {name: np.asarray(frame[name]) for name, f in features.items() if f["dtype"] == "image"}
        row |= {name: np.rint(np.moveaxis(p, 0, -1) * 255).astype(np.uint8) for name, p in pictures.items()}
        written.add_frame({**row, "task": frame["task"]})
    written.save_episode()
    written.finalize()


def make(folder: str, kind: str) -> None:
    """Write a small dataset with LeRobot's own writer: two episodes of a gripper that closes and lifts."""
    features = {
        "observation.images.side": {"dtype": kind, "shape": (48, 64, 3), "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": (7,), "names": list("xyzrpw") + ["g"]},
        "action": {"dtype": "float32", "shape": (7,), "names": list("xyzrpw") + ["g"]},
    }
    dataset = LeRobotDataset.create("local/theirs", fps=10, features=features, root=folder, use_videos=kind == "video")
    flat = np.ones((48, 64, 3), np.uint8)
    for episode in range(2):
        for step in range(12):
            opened, width = float(step < 6), 0.08 - 0.01 * max(0, step - 6)
            pose = [0.45 + 0.01 * step, 0.05, 0.2 - 0.01 * step, np.pi, 0.0, 0.0]
            frame = {
                "observation.images.side": flat * (20 + 100 * episode + 8 * step),
                "observation.state": np.array([*pose, width], np.float32),
                "action": np.array([*pose, opened], np.float32),
                "task": "pick up the cup",
            }
            dataset.add_frame(frame)
        dataset.save_episode()
    dataset.finalize()


if __name__ == "__main__":
    {"read": read, "copy": copy, "make": make}[sys.argv[1]](*sys.argv[2:])
