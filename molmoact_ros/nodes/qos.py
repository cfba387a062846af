"""Quality of service by name; every topic of the cell uses one of these five.

A best-effort subscriber matches a reliable publisher (realsense2_camera), a reliable subscriber never matches a
best-effort publisher: set 'Best Effort' for images in RViz.
"""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy


def _profile(reliable: bool, latched: bool, depth: int) -> QoSProfile:
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


# Images and their CameraInfo: newest wins, a lost one is not sent again.
SENSOR = _profile(reliable=False, latched=False, depth=1)
# Periodic state at 50 Hz or more: the next one comes sooner than a repetition would.
STATE = _profile(reliable=False, latched=False, depth=1)
# Commands to the arm: newest wins, and it arrives.
COMMAND = _profile(reliable=True, latched=False, depth=1)
# Values that a late joiner must know: camera poses, configuration.
LATCHED = _profile(reliable=True, latched=True, depth=1)
# Things that happen: frames, plans, refusals, diagnostics.
EVENT = _profile(reliable=True, latched=False, depth=10)
