"""The cell's own words: all of them in a file, errors and warnings on the screen."""

import threading
from pathlib import Path

_LOUD = ("error", "warn", "defect", "fatal", "has ended")


class CellLog:
    """Takes lines from the threads of the launcher; `flush` prints the loud ones in the caller's thread."""

    def __init__(self, path):
        self.path = Path(path)
        self._file, self._lock, self._loud = self.path.open("w"), threading.Lock(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._lock:
            self._file.close()

    def take(self, name: str, line: str) -> None:
        """Keep one line of a process; lines after the end are dropped."""
        with self._lock:
            if self._file.closed:
                return
            self._file.write(f"[{name}] {line}\n")
            self._file.flush()
            if any(word in line.lower() for word in _LOUD):
                self._loud.append(f"  [{name}] {line}")

    def flush(self) -> None:
        """Print what became loud since the last time."""
        with self._lock:
            lines, self._loud = self._loud, []
        for line in lines:
            print(line, flush=True)
