"""Judge a task from the simulator's true state. Nothing the cell believes counts."""

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from .layout import SIDES, Layout, Task

# Reached: the tip within 3 cm of the named object's centre.
REACH_M = 0.03
# Picked up = the object's underside 5 cm above the table, at the tip.
LIFT_M = 0.05
# Success has to last this long [simulated time].
HOLD_S = 0.5
# Half a diagonal of a 4 cm cube: beyond it the fingers cannot hold the object.
NEAR_TIP_M = 0.035
# A bystander that was moved this far was touched; rolling noise of the solver stays far below.
MOVED_M = 0.02
# Let go: the tip this far from the object's centre, or the fingers this much wider apart than the object.
AWAY_M, LOOSE_M = 0.05, 0.012
BOWL_RADIUS_M = 0.05
STACK_M, STACK_Z_M = 0.025, 0.012
PUSHED_M, PUSHED_ASIDE_M = 0.07, 0.05
BESIDE_RANGE_M, BESIDE_ASIDE_M = (0.05, 0.16), 0.05
ON_TABLE_M = 0.012
# Where an object is out of reach, or has fallen.
TABLE_MIN, TABLE_MAX = np.array([0.2, -0.45, -0.05]), np.array([0.8, 0.45, 1.0])


@dataclass(frozen=True)
class Outcome:
    """What has happened so far in one episode. Times are seconds of simulated time since the first sample."""

    task: str
    target: str
    reached: bool
    lifted: bool
    success: bool
    time_s: float
    time_to_reach_s: float
    time_to_success_s: float
    min_distance_m: float
    wrong_object: str
    moved_m: float
    let_go: bool
    off_table: bool


class TaskJudge:
    """Watch one episode of a task sample by sample."""

    def __init__(self, layout: Layout, task: Task):
        self.layout, self.task = layout, task
        self._half = {item.name: item.half for item in layout.items}
        self._start_ns = self._now_ns = None
        self._initial = {}
        self._since_ns = self._reached_ns = self._done_ns = None
        self._lifted = False
        self._min_distance_m = float("inf")
        self._wrong = ""
        self._moved_m, self._let_go, self._off = 0.0, True, False

    def update(self, stamp_ns: int, tip, width: float, objects: Mapping[str, np.ndarray]) -> Outcome:
        """Take the tip (3,), the gripper's opening and object centres (3,) [m, base]; return the outcome so far."""
        tip, target = np.asarray(tip, float), np.asarray(objects[self.task.target], float)
        if self._start_ns is None:
            self._start_ns, self._initial = stamp_ns, {n: np.array(p) for n, p in objects.items()}
        self._now_ns = stamp_ns
        distance = float(np.linalg.norm(tip - target))
        self._min_distance_m = min(self._min_distance_m, distance)
        if distance <= REACH_M and self._reached_ns is None:
            self._reached_ns = stamp_ns
        self._lifted |= self._up(tip, target)
        self._moved_m = float(np.linalg.norm(target - self._initial[self.task.target]))
        self._let_go = not (distance < AWAY_M and width < 2 * self._half[self.task.target][1] + LOOSE_M)
        self._off = bool(np.any(target < TABLE_MIN) or np.any(target > TABLE_MAX))
        self._watch_others(tip, objects)
        if not self._fulfilled(tip, target, objects):
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = stamp_ns
        if self._done_ns is None and self._since_ns is not None and stamp_ns - self._since_ns >= HOLD_S * 1e9:
            self._done_ns = stamp_ns
        return self.outcome

    def _up(self, tip, target) -> bool:
        high = target[2] - self._half[self.task.target][2] >= LIFT_M
        return bool(high and np.linalg.norm(tip - target) <= NEAR_TIP_M)

    def _fulfilled(self, tip, target, objects) -> bool:
        """Whether the task is fulfilled at this instant."""
        kind = self.task.kind
        if kind == "pick":
            return self._up(tip, target)
        half = self._half[self.task.target]
        if kind == "push":
            moved = target - self._initial[self.task.target]
            aside = abs(moved[0]) <= PUSHED_ASIDE_M and abs(moved[2]) <= ON_TABLE_M
            return bool(aside and moved[1] * SIDES[self.task.side] >= PUSHED_M)
        if not self._let_go:
            return False
        if kind == "bowl":
            return bool(np.linalg.norm(target[:2] - self.layout.bowl) < BOWL_RADIUS_M and target[2] < half[2] + 0.035)
        gap = target - objects[self.task.reference]
        if kind == "stack":
            above = half[2] + self._half[self.task.reference][2]
            return bool(np.linalg.norm(gap[:2]) < STACK_M and abs(gap[2] - above) < STACK_Z_M)
        low, high = BESIDE_RANGE_M
        moved = self._moved_m > MOVED_M
        beside = low <= gap[1] * SIDES[self.task.side] <= high and abs(gap[0]) <= BESIDE_ASIDE_M
        return bool(moved and beside and target[2] < max(half) + ON_TABLE_M)

    def _watch_others(self, tip, objects) -> None:
        for name, centre in objects.items():
            if name in (self.task.target, "bowl") or self._wrong:
                continue
            moved = np.linalg.norm(np.asarray(centre) - self._initial[name]) > MOVED_M
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
            task=self.task.kind,
            target=self.task.target,
            reached=self._reached_ns is not None,
            lifted=self._lifted,
            success=self._done_ns is not None,
            time_s=self._since_start(self._now_ns),
            time_to_reach_s=self._since_start(self._reached_ns),
            time_to_success_s=self._since_start(self._done_ns),
            min_distance_m=self._min_distance_m,
            wrong_object=self._wrong,
            moved_m=self._moved_m,
            let_go=self._let_go,
            off_table=self._off,
        )

    def _since_start(self, stamp_ns) -> float:
        return float("nan") if stamp_ns is None else (stamp_ns - self._start_ns) / 1e9
