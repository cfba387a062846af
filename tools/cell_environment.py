"""The one place that says how the project's Python finds ROS 2: run at every start of the venv's interpreter.

tools/provision.py copies this file into .venv. There is nothing to source: `.venv/bin/python` is enough.
"""

import os
import sys
from pathlib import Path

PACKAGES = ("molmoact_msgs", "molmoact_ros")
# set by ros_wheels_bootstrapper after it started Python anew, the only way to change the library path of a process
RESTARTED = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"


def enter(install: str) -> None:
    """Name the built workspace and the wheels, in that order, before whatever the shell has named."""
    built = [str(Path(install, name)) for name in PACKAGES]
    libraries = [f"{built[0]}/lib", f"{sys.prefix}/lib"]
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    put_first("AMENT_PREFIX_PATH", [*built, sys.prefix])
    if put_first("LD_LIBRARY_PATH", libraries):
        os.environ.pop(RESTARTED, None)
    # the messages alone: molmoact_ros itself is installed as editable
    sys.path.append(f"{built[0]}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages")


def put_first(variable: str, paths: list[str]) -> bool:
    """Put paths in front of a search path unless all of them are in it; return whether it changed."""
    present = [path for path in os.environ.get(variable, "").split(os.pathsep) if path]
    if all(path in present for path in paths):
        return False
    os.environ[variable] = os.pathsep.join(paths + [path for path in present if path not in paths])
    return True
