"""The cases of a run that is under way, beside its --json file, so that an interrupted run can go on."""

import json
from pathlib import Path
from typing import Mapping


class Kept:
    """A file of lines: the settings, then a case each. Without a path nothing is kept."""

    def __init__(self, report, settings: Mapping):
        """Read what a run with the same settings left beside `report`; one with other settings is begun anew."""
        self._path = Path(f"{report}.partial") if report else None
        self._settings = json.loads(json.dumps(settings))
        self.cases = self._read()
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # written whole: the last line of an interrupted run may be half a line
            self._path.write_text("".join(f"{json.dumps(line)}\n" for line in (self._settings, *self.cases)))

    def _read(self) -> list[dict]:
        lines = self._path.read_text().splitlines() if self._path and self._path.is_file() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return found[1:] if found and found[0] == self._settings else []

    def add(self, case: dict) -> None:
        """Keep one more case."""
        self.cases.append(case)
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps(case) + "\n")

    def drop(self) -> None:
        """Remove the file: the run is whole and its report is written."""
        if self._path:
            self._path.unlink(missing_ok=True)
