"""Judge a pick from the simulator's true state: reached, lifted, wrong object. Nothing the cell believes counts."""

import re
from dataclasses import dataclass
from typing import Iterable, Mapping

import numpy as np

# Reached: the tip within 3 cm of the named object's centre.
REACH_M = 0.03
# Lifted = the object's underside 5 cm above the table, held at the tip for half a second of simulated time.
LIFT_M = 0.05
HOLD_S = 0.5
# Half a diagonal of a 4 cm cube: beyond it the fingers cannot hold the object.
NEAR_TIP_M = 0.035
# A bystander that was moved this far was touched; rolling noise of the solver stays far below.
MOVED_M = 0.02


@dataclass(frozen=True)
class Outcome:
    """What has happened so far in one episode. Times are seconds of simulated time since the first sample."""

    target: str
    reached: bool
    lifted: bool
    time_s: float
    time_to_reach_s: float
    time_to_lift_s: float
    min_distance_m: float
    wrong_object: str


def named_object(instruction: str, names: Iterable[str]) -> str | None:
    """Return the one object that the instruction names, None if it names none or several.

    What sets an object apart counts: among 'red_cube' and 'blue_cube' these are 'red' and 'blue', so that "the red
    block" is understood, too.
    """
    words = {name: set(name.lower().split("_")) for name in names}
    shared = set.intersection(*words.values()) if len(words) > 1 else set()
    spoken = set(re.findall(r"[a-z0-9]+", instruction.lower()))
    named = [name for name, own in words.items() if own - shared <= spoken]
    return named[0] if len(named) == 1 else None


class PickJudge:
    """Watch one episode sample by sample; half_height_m is the distance from an object's centre to its underside."""

    def __init__(self, target: str, half_height_m: float = 0.02):
        self.target = target
        self._lift_z = LIFT_M + half_height_m
        self._start_ns = self._now_ns = None
        self._initial = {}
        self._held_since_ns = None
        self._reached_ns = self._lifted_ns = None
        self._min_distance_m = float("inf")
        self._wrong = ""

    def update(self, stamp_ns: int, tip: np.ndarray, objects: Mapping[str, np.ndarray]) -> Outcome:
        """Take the tip (3,) and object centres (3,) [m, base frame] of one instant; return the outcome so far."""
        if self._start_ns is None:
            self._start_ns, self._initial = stamp_ns, {n: np.array(p) for n, p in objects.items()}
        self._now_ns = stamp_ns
        self._watch_target(stamp_ns, np.asarray(tip), objects[self.target])
        self._watch_others(np.asarray(tip), objects)
        return self.outcome

    def _watch_target(self, stamp_ns: int, tip, centre) -> None:
        distance = float(np.linalg.norm(tip - centre))
        self._min_distance_m = min(self._min_distance_m, distance)
        if distance <= REACH_M and self._reached_ns is None:
            self._reached_ns = stamp_ns
        if centre[2] < self._lift_z or distance > NEAR_TIP_M:
            self._held_since_ns = None
            return
        if self._held_since_ns is None:
            self._held_since_ns = stamp_ns
        if self._lifted_ns is None and stamp_ns - self._held_since_ns >= HOLD_S * 1e9:
            self._lifted_ns = stamp_ns

    def _watch_others(self, tip, objects) -> None:
        for name, centre in objects.items():
            if name == self.target or self._wrong:
                continue
            moved = np.linalg.norm(centre - self._initial[name]) > MOVED_M
            if moved and np.linalg.norm(tip - centre) <= 2 * NEAR_TIP_M:
                self._wrong = name

    @property
    def watched(self) -> bool:
        """Whether there was a sample."""
        return self._start_ns is not None

    @property
    def outcome(self) -> Outcome:
        """The outcome so far; NaN for what has not happened."""
        return Outcome(
            target=self.target,
            reached=self._reached_ns is not None,
            lifted=self._lifted_ns is not None,
            time_s=self._since_start(self._now_ns),
            time_to_reach_s=self._since_start(self._reached_ns),
            time_to_lift_s=self._since_start(self._lifted_ns),
            min_distance_m=self._min_distance_m,
            wrong_object=self._wrong,
        )

    def _since_start(self, stamp_ns) -> float:
        return float("nan") if stamp_ns is None else (stamp_ns - self._start_ns) / 1e9
