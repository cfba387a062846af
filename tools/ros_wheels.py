"""Make the ROS 2 wheels fit this machine: their CMake files name folders of the one they were built on."""

import re
import subprocess
from pathlib import Path

# numpy first: both patterns start with the same folder
NUMPY_INCLUDE = re.compile(r"/opt/python/[^;\"\s]*/site-packages/numpy/_?core/include")
PYTHON_INCLUDE = re.compile(r"/opt/python/[^;\"\s/]+/include/python3\.\d+")
QUERY = """import numpy, sys, sysconfig
print(sys.prefix, sysconfig.get_path('platinclude'), numpy.get_include(), sep='\\n')"""


def repair(python: Path) -> int:
    """Point the CMake files of the venv behind `python` at its own headers; return how many files changed."""
    answer = subprocess.run([str(python), "-c", QUERY], check=True, capture_output=True, text=True)
    prefix, python_include, numpy_include = answer.stdout.splitlines()
    changed = 0
    for path in Path(prefix, "share").rglob("*.cmake"):
        text = path.read_text()
        fixed = NUMPY_INCLUDE.sub(numpy_include, text)
        fixed = PYTHON_INCLUDE.sub(python_include, fixed)
        if fixed != text:
            path.write_text(fixed)
            changed += 1
    return changed
