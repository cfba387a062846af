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
    if any(word.endswith("_local_setup_util_sh.py") for word in sys.orig_argv):
        return  # `source install/setup.bash` asks what the shell lacks: what is set here would hide it
    built = [str(Path(install, name)) for name in PACKAGES]
    foreign = foreign_ros()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    rewrite("PYTHONPATH", [], foreign)
    rewrite("AMENT_PREFIX_PATH", [*built, sys.prefix], foreign)
    if rewrite("LD_LIBRARY_PATH", [f"{built[0]}/lib", f"{sys.prefix}/lib"], foreign):
        os.environ.pop(RESTARTED, None)
    sys.path[:] = [path for path in sys.path if not below(path, foreign)]
    # the messages alone: molmoact_ros itself is installed as editable
    sys.path.append(f"{built[0]}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages")


def foreign_ros() -> list[str]:
    """Return the sourced ROS installations other than the wheels: two builds of rclpy in one process crash."""
    named = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [path for path in named if path and path != sys.prefix and Path(path, "share", "rclpy").is_dir()]


def rewrite(variable: str, wanted: list[str], foreign: list[str]) -> bool:
    """Put paths that are missing in front of a search path and drop foreign ones; return whether it changed."""
    present = [path for path in os.environ.get(variable, "").split(os.pathsep) if path]
    kept = [path for path in present if not below(path, foreign)]
    # leave the order alone when all are there: the restart shuffles it, and a second one would never end
    paths = kept if all(path in kept for path in wanted) else wanted + [path for path in kept if path not in wanted]
    if paths == present:
        return False
    os.environ[variable] = os.pathsep.join(paths)
    return True


def below(path: str, folders: list[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)
