"""Load a checkpoint and report what that took, as one JSON line: `python tests/measured_load.py FOLDER DTYPE`.

A program of its own, because the peak of a process's memory never falls again.
"""

import json
import re
import resource
import sys
import threading
import time
from pathlib import Path


def memory_bytes(name: str) -> int:
    """Return one line of /proc/self/status: VmHWM is the peak, with mapped file pages; RssAnon, without, is now."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024


class AnonymousPeak(threading.Thread):
    """Looks every 20 ms at the memory that no file backs: the kernel keeps no peak of it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.bytes, self.ended = 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            self.bytes = max(self.bytes, memory_bytes("RssAnon"))


def equal_to_file(network, folder, dtype) -> dict[str, bool]:
    """Compare the first and last rows of the largest and the smallest tensors with the files."""
    from molmoact_ros.model.shards import Shards

    shards, state = Shards(folder), network.state_dict()
    by_size = sorted(state, key=lambda name: state[name].numel())
    equal = {}
    for name in (*by_size[:2], *by_size[-2:]):
        stored = shards.read(name)
        equal[name] = all(
            bool((state[name][rows] == stored[rows].to(dtype)).all()) for rows in (slice(2), slice(-2, None))
        )
    return equal


def main(folder: str, dtype: str) -> None:
    import torch

    import molmoact_ros.model

    before, peak, started = memory_bytes("VmHWM"), AnonymousPeak(), time.perf_counter()
    peak.start()
    network = molmoact_ros.model.load(folder, dtype)
    seconds = time.perf_counter() - started
    peak.ended.set()
    peak.join()
    report = {
        "seconds": round(seconds, 1),
        "before": before,
        "VmHWM": memory_bytes("VmHWM"),
        "ru_maxrss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "RssAnon": peak.bytes,
        "parameters": sum(p.numel() for p in network.parameters()),
        "dtypes": sorted({str(p.dtype) for p in network.parameters()}),
        "equal": equal_to_file(network, folder, getattr(torch, dtype)),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
