"""Where config/, models/ and calibration/ are: in the checkout, or under share/ of an installation."""

import os
import sys
from pathlib import Path

from .errors import MissingPart

PACKAGE = "molmoact_ros"


def data_root() -> Path:
    """Return the folder that holds config/, models/ and calibration/. MissingPart when there is none."""
    package = Path(__file__).resolve().parent
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix, *map(str, package.parents)]
    candidates = [package.parent, *(Path(prefix, "share", PACKAGE) for prefix in prefixes if prefix)]
    for folder in candidates:
        if (folder / "package.xml").is_file() and (folder / "config").is_dir():
            return folder
    raise MissingPart(f"no data of {PACKAGE}", f"config/ beside {package} or in share/{PACKAGE}", "Install it again.")


def locate(path: str, what: str, do: str) -> str:
    """Return the absolute path of a file or folder given by the user: as it is, or relative to the data root.

    Raises MissingPart with `do` when it is in neither place.
    """
    for candidate in (Path(path).expanduser(), data_root() / path):
        if candidate.exists():
            return str(candidate.resolve())
    raise MissingPart(f"no {what} at '{path}'", f"a path that exists, here or in {data_root()}", do)
