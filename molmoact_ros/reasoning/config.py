"""Options of the reasoner."""

from dataclasses import dataclass

from ..config import REQUIRED, option


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
    device: str = option("auto", "torch device of published models; auto: the first CUDA device, else the CPU")
    max_frame_age_s: float = option(0.5, "an older frame is not worth a plan", "s", 0.05, 5.0)
