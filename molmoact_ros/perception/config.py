"""Options of perception and of the overlay."""

from dataclasses import dataclass

from ..config import REQUIRED, option


@dataclass(frozen=True)
class PerceptionConfig:
    """How streams are paired, how depth becomes tokens, and how often."""

    calibration: str = option(REQUIRED, "file with the front camera's intrinsics and its pose in the base frame")
    depth_model: str = option(REQUIRED, "folder or file with the weights of the depth VQ-VAE")
    rate_hz: float = option(5.0, "frames encoded and published at most", unit="Hz", low=0.2, high=30.0)
    reconstruction_rate_hz: float = option(
        1.0, "pictures of what the tokens keep, 0 = none", unit="Hz", low=0.0, high=10.0
    )
    threads: int = option(1, "CPU threads of the depth network", low=1, high=16)
    pair_tolerance_s: float = option(0.004, "largest gap between colour and depth", unit="s", low=0.0, high=0.1)
    wrist_tolerance_s: float = option(0.12, "largest gap between colour and wrist image", unit="s", low=0.0, high=1.0)
    robot_tolerance_s: float = option(
        0.03, "largest gap to the robot state where two states cannot be interpolated", unit="s", low=0.0, high=0.2
    )
    near_m: float = option(0.2, "depth below this is not trusted", unit="m", low=0.05, high=2.0)
    far_m: float = option(3.0, "depth above this is not told apart", unit="m", low=0.5, high=20.0)
    frozen_m: float = option(
        0.02, "a picture that is the same after the tip moved this far is not used", unit="m", low=0.001, high=1.0
    )
    min_valid: float = option(0.3, "fraction of depth pixels that a frame needs", low=0.01, high=1.0)


@dataclass(frozen=True)
class OverlayConfig:
    """What is drawn, and how often."""

    rate_hz: float = option(5.0, "pictures and markers at most", unit="Hz", low=0.2, high=15.0)
    scale: int = option(2, "enlargement of the camera image", low=1, high=4)
    base_frame: str = option("base", "frame of the markers")
    path_s: float = option(20.0, "length of the executed path that is shown", unit="s", low=1.0, high=600.0)
    plan_timeout_s: float = option(5.0, "a plan older than this is not drawn", unit="s", low=0.5, high=60.0)
