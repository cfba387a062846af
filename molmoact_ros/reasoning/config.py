"""Options of the reasoner."""

from dataclasses import dataclass

from ..config import REQUIRED, option

BACKENDS = ("auto", "torch", "onnx", "tensorrt", "tensorrt_rtx")
MODES = ("generate", "draft", "force")


@dataclass(frozen=True)
class ReasoningConfig:
    """Which model thinks, about what, how often and with how many threads."""

    checkpoint: str = option(REQUIRED, "folder of the checkpoint (manifest FOLDER.yaml beside it), or the manifest")
    instruction: str = option("", "what to do from the start; empty: wait for an instruction")
    arm_name: str = option("fr3", "name of the arm in plans")
    max_rate_hz: float = option(
        2.5, "plans per second at most; each one costs a core while it is computed", "Hz", 0.1, 30.0
    )
    threads: int = option(1, "CPU threads of the network", "", 1, 64)
    backend: str = option(
        "auto",
        "what runs the network; auto: an engine for this GPU, torch on a GPU, else ONNX Runtime",
        choices=BACKENDS,
    )
    device: str = option("auto", "torch device; auto: the first CUDA device, else the CPU")
    depth_mode: str = option(
        "draft",
        "the sensor's depth tokens: generate = not used, draft = guesses, force = taken as given",
        choices=MODES,
    )
    window: int = option(16, "guessed tokens that are checked per pass at most; 0: none", "", 0, 128)
    continue_motion: bool = option(
        False, "rows that will be done when the answer comes are given, so that the new plan goes on from them"
    )
    max_frame_age_s: float = option(0.5, "an older frame is not worth a plan", "s", 0.05, 5.0)
    deadline_s: float = option(2.0, "a plan is given up when its frame is older than this", "s", 0.1, 30.0)
