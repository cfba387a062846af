"""Which inputs are silent. Steady time comes in as an argument; unknown inputs count as silent for ever."""

from math import inf
from typing import Iterable, Mapping

from .config import SafetyConfig

# What must live while the arm moves: the arm itself and every process that leads to a command.
WATCHED = ("arm", "controller", "perception", "reasoning")


class Watchdog:
    """Remember when each watched input was heard last. timeouts_s: name -> longest silence that is allowed."""

    def __init__(self, timeouts_s: Mapping[str, float]):
        self._timeouts_s = dict(timeouts_s)
        self._heard_ns: dict[str, int] = {}

    def heard(self, name: str, steady_ns: int) -> None:
        """Note that input `name` was heard. A name that is not watched is a defect (KeyError)."""
        if name not in self._timeouts_s:
            raise KeyError(f"'{name}' is not watched; watched: {', '.join(self._timeouts_s)}")
        self._heard_ns[name] = steady_ns

    def silence_s(self, name: str, steady_ns: int) -> float:
        """Return the seconds since `name` was heard; infinite before the first time or when the clock ran back."""
        heard = self._heard_ns.get(name)
        return inf if heard is None or heard > steady_ns else (steady_ns - heard) * 1e-9

    def silent(self, steady_ns: int, names: Iterable[str] | None = None) -> tuple[str, float, float] | None:
        """Return (name, silence, bound) [s] of the first input that is silent for too long, None when all are heard.

        names: which inputs to ask for, all of them by default.
        """
        for name in self._timeouts_s if names is None else names:
            silence, bound = self.silence_s(name, steady_ns), self._timeouts_s[name]
            if silence > bound:
                return name, silence, bound
        return None


def watchdog_of(config: SafetyConfig) -> Watchdog:
    """Watch the inputs named WATCHED with the bounds of the configuration."""
    bounds = (config.arm_silence_s, config.command_silence_s, config.perception_silence_s, config.reasoning_silence_s)
    return Watchdog(dict(zip(WATCHED, bounds)))
