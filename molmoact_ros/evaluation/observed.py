"""What an observer of the cell sees: the simulator's truth and the supervisor's opinion, as plain values."""

from dataclasses import dataclass
from typing import Mapping, NamedTuple

import numpy as np


@dataclass(frozen=True)
class TableState:
    """The simulator's true state at one instant: joints [rad, rad/s], tip and object centres (3,) [m, base]."""

    stamp_ns: int
    seed: int
    q: np.ndarray
    dq: np.ndarray
    tip: np.ndarray
    gripper_width_m: float
    objects: Mapping[str, np.ndarray]
    real_time_factor: float

    def __post_init__(self):
        for name in ("q", "dq", "tip"):
            object.__setattr__(self, name, np.array(getattr(self, name), float))
        object.__setattr__(self, "objects", {n: np.array(p, float) for n, p in self.objects.items()})

    @property
    def speed(self) -> float:
        """The fastest joint [rad/s]."""
        return float(np.abs(self.dq).max())


class Verdicts(NamedTuple):
    """Commands by verdict since the supervisor was configured."""

    passed: int = 0
    limited: int = 0
    held: int = 0
    stopped: int = 0

    def since(self, before: "Verdicts") -> "Verdicts":
        """Return what was added after `before`."""
        return Verdicts(*(now - then for now, then in zip(self, before)))


@dataclass(frozen=True)
class SafetyView:
    """The supervisor's newest status: state (DISARMED, ACTIVE, HOLDING, STOPPED), why, and its counts."""

    state: str
    reason: str
    verdicts: Verdicts
