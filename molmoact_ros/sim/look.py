"""How a table looks: camera, light, cloth. Drawn within stated ranges, so that a model does not learn one picture."""

from dataclasses import dataclass

import numpy as np

# Largest deviation of the front camera from its calibrated pose: about what a hand-eye calibration leaves.
CAMERA_M, CAMERA_RAD = 0.005, 0.005
# Direction of the light over the table and its share of the brightness.
LIGHT_XY_M, LIGHT_DIFFUSE, AMBIENT = 1.2, (0.35, 0.75), (0.25, 0.45)
CLOTHS = 5


@dataclass(frozen=True)
class Look:
    """camera_m (3,) and camera_rad (3,): deviation of the front camera. light_xy (2,) [m], diffuse, ambient 0..1.

    cloth: index of a texture, 0 = none; tint (3,): its colour; bowl (3,): the bowl's colour.
    """

    camera_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    camera_rad: tuple[float, ...] = (0.0, 0.0, 0.0)
    light_xy: tuple[float, ...] = (0.0, 0.0)
    diffuse: float = 0.5
    ambient: float = 0.35
    cloth: int = 0
    tint: tuple[float, ...] = (0.62, 0.56, 0.50)
    bowl: tuple[float, ...] = (0.85, 0.85, 0.82)


def sample_look(rng) -> Look:
    """Draw a look."""
    grey = rng.uniform(0.3, 0.8)
    tint = np.clip(grey * (1 + rng.uniform(-0.10, 0.10, 3)), 0.1, 0.95)
    bowl = np.clip(rng.choice([0.85, 0.15, 0.5]) + rng.uniform(-0.05, 0.05) + rng.uniform(-0.03, 0.03, 3), 0.05, 0.95)
    return Look(
        _tuple(rng.uniform(-CAMERA_M, CAMERA_M, 3)), _tuple(rng.uniform(-CAMERA_RAD, CAMERA_RAD, 3)),
        _tuple(rng.uniform(-LIGHT_XY_M, LIGHT_XY_M, 2)), float(rng.uniform(*LIGHT_DIFFUSE)),
        float(rng.uniform(*AMBIENT)), int(rng.integers(CLOTHS)), _tuple(tint), _tuple(bowl),
    )  # fmt: skip


def _tuple(values) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
