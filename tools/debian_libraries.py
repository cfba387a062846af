"""The Debian and Ubuntu packages that pip cannot bring: found by what they do, installed where that is allowed."""

import ctypes
import glob
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def ensure() -> None:
    """Install what is missing, or print the one line that would and stop."""
    packages = missing()
    if not packages:
        return
    prefix = administrator()
    command = f"apt-get install -y {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        sys.exit(f"setup: missing system libraries; install what Debian calls: {' '.join(packages)}")
    if prefix is None:
        sys.exit(f"setup: missing Debian packages, and no right to install them; run: sudo {command}")
    print(f"setup: installing Debian packages: {' '.join(packages)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for action in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run([*prefix, "apt-get", "-qq", *action], env=environment, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"setup: apt-get {action[0]} failed; run: sudo {command}")
    if missing():
        sys.exit(f"setup: still missing after apt-get: {' '.join(missing())}; tools/debian_libraries.py says why")


def missing() -> list[str]:
    """Return the Debian packages whose work nothing on this machine does."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    header = Path(sysconfig.get_path("include"), "Python.h")
    checks = {
        f"{python}-venv": importlib.util.find_spec("ensurepip") is not None,
        f"{python}-dev": header.exists(),
        "cmake": shutil.which("cmake") is not None,
        "g++": shutil.which("g++") is not None,
        "make": shutil.which("make") is not None,
        # off-screen rendering without a GPU: EGL, Mesa behind it, its software rasteriser
        "libegl1": loads("libEGL.so.1"),
        "libegl-mesa0": loads("libEGL_mesa.so.0"),
        "libgl1-mesa-dri": bool(glob.glob("/usr/lib/*/dri/swrast_dri.so") + glob.glob("/usr/lib/*/libgallium*.so")),
        "libopengl0": loads("libOpenGL.so.0"),
    }
    return [package for package, present in checks.items() if not present]


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def administrator() -> list[str] | None:
    """Return the words before apt-get that make it work here without a question; None when there are none."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None
