"""Hazards that show only over time: a flood of commands, a gripper that opens and closes without end."""

from collections import deque

import numpy as np

from .checks import Finding
from .config import SafetyConfig

_FLOOD_WINDOW_NS = 100_000_000
# Smaller changes of the width [m] are neither opening nor closing.
_GRIPPER_STEP_M = 0.005


class CommandRate:
    """How many commands came in the last 0.1 s."""

    def __init__(self, config: SafetyConfig):
        self._bound_hz = config.max_command_rate_hz
        self._came_ns: deque[int] = deque(maxlen=int(self._bound_hz * _FLOOD_WINDOW_NS * 1e-9) + 2)

    def check(self, now_ns: int) -> Finding | None:
        """Count one command; a Finding when they come faster than they may."""
        if self._came_ns and now_ns < self._came_ns[-1]:
            self._came_ns.clear()
        self._came_ns.append(now_ns)
        while now_ns - self._came_ns[0] > _FLOOD_WINDOW_NS:
            self._came_ns.popleft()
        rate_hz = len(self._came_ns) / (_FLOOD_WINDOW_NS * 1e-9)
        return None if rate_hz <= self._bound_hz else Finding("command_flood", rate_hz, self._bound_hz)


class GripperTurns:
    """Let the gripper change between opening and closing only so often."""

    def __init__(self, config: SafetyConfig):
        self._most, self._window_ns = config.gripper_turns, config.gripper_window_s * 1e9
        self._turned_ns: deque[int] = deque(maxlen=self._most)
        self._width_m: float | None = None
        self._way = 0.0

    def allowed(self, now_ns: int, width_m: float) -> tuple[float, Finding | None]:
        """Return the width [m] that may be commanded, and why it is not the one asked for."""
        if self._width_m is None:
            self._width_m = width_m
            return width_m, None
        change = width_m - self._width_m
        if abs(change) < _GRIPPER_STEP_M:
            return width_m, None
        way = float(np.sign(change))
        if way != self._way and self._way:
            recent = [t for t in self._turned_ns if 0 <= now_ns - t <= self._window_ns]
            if len(recent) >= self._most:
                return self._width_m, Finding("gripper_turns", float(len(recent)), float(self._most))
            self._turned_ns.append(now_ns)
        self._way, self._width_m = way, width_m
        return width_m, None
