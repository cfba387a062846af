"""The simulator's truth, shared with other processes through a memory-mapped file.

One writer, the simulator; readers retry until they saw one undivided state (a seqlock). One mailbox back: a
layout seed.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import MissingPart

_SEQUENCE, _TICK, _FACTOR, _SEED, _WANTED, _ASKED, _DONE, _NQ, _PID = range(9)
_HEADER = 9
TICK_NS = 1_000_000
# A robot's clock never starts at zero: a zero stamp means "no time" in ROS.
FIRST_NS = 1_000_000_000


@dataclass(frozen=True)
class Snapshot:
    """The world at one tick: stamp [ns of simulator time], qpos, qvel, layout seed, simulated seconds per second."""

    stamp_ns: int
    qpos: np.ndarray
    qvel: np.ndarray
    seed: int
    real_time_factor: float


def path_of(host: str) -> Path:
    """Return the file that belongs to the simulated robot at `host`."""
    return Path(tempfile.gettempdir()) / f"molmoact_ros-{os.getuid()}-{host}.world"


class SharedWorld:
    """One mapping of the file; `create` makes it for the simulator, `attach` opens it elsewhere."""

    def __init__(self, array: np.ndarray, nv: int):
        # A plain view: the memmap class costs a microsecond per access.
        self._data, self._nv = np.asarray(array), nv

    @classmethod
    def create(cls, path: Path, nq: int, nv: int) -> "SharedWorld":
        """Make a new file, also where an older one lies; who holds the older one sees it stand still."""
        partial = path.with_suffix(".partial")
        array = np.memmap(partial, np.float64, "w+", shape=(_HEADER + nq + nv,))
        array[_NQ], array[_PID] = nq, os.getpid()
        partial.rename(path)
        return cls(array, nv)

    @classmethod
    def attach(cls, path: Path, timeout_s: float = 15.0, check=lambda: None, owner: int | None = None) -> "SharedWorld":
        """Open the file of a simulator that is ticking (process `owner`, if given); MissingPart after `timeout_s`.

        `check` is called while waiting and may raise.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            check()
            if path.is_file() and path.stat().st_size > 8 * _HEADER:
                array = np.memmap(path, np.float64, "r+")
                tick = array[_TICK]
                time.sleep(0.05)
                if array[_TICK] > tick and owner in (None, int(array[_PID])):
                    return cls(array, len(array) - _HEADER - int(array[_NQ]))
            time.sleep(0.05)
        raise MissingPart(f"no running simulator ('{path}')", "the sim node", "Start the cell with sim:=true.")

    def write(self, tick: int, qpos, qvel, seed: int, factor: float) -> None:
        """Publish one state (simulator only)."""
        data, nq = self._data, len(qpos)
        data[_SEQUENCE] += 1
        data[_TICK], data[_SEED], data[_FACTOR] = tick, seed, factor
        data[_HEADER : _HEADER + nq] = qpos
        data[_HEADER + nq :] = qvel
        data[_SEQUENCE] += 1

    def read(self) -> Snapshot:
        """Return the newest undivided state."""
        while True:
            before = self._data[_SEQUENCE]
            copy = np.array(self._data)
            if before % 2 == 0 and self._data[_SEQUENCE] == before:
                break
        split = len(copy) - self._nv
        stamp_ns = FIRST_NS + int(copy[_TICK]) * TICK_NS
        return Snapshot(stamp_ns, copy[_HEADER:split], copy[split:], int(copy[_SEED]), float(copy[_FACTOR]))

    def ask_layout(self, seed: int) -> int:
        """Ask for a new table; the returned ticket is done when `layout_done` reaches it."""
        self._data[_WANTED] = seed
        self._data[_ASKED] += 1
        return int(self._data[_ASKED])

    def layout_done(self) -> int:
        """Return the ticket of the last layout that was made."""
        return int(self._data[_DONE])

    def wanted_layout(self) -> tuple[int, int] | None:
        """Return ticket and seed of a layout that was asked for and not made yet (simulator only)."""
        ticket = int(self._data[_ASKED])
        return (ticket, int(self._data[_WANTED])) if ticket != int(self._data[_DONE]) else None

    def finish_layout(self, ticket: int) -> None:
        """Say that the layout was made (simulator only)."""
        self._data[_DONE] = ticket
