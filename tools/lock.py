"""Pin every package that requirements/*.in lead to: `python3.11 tools/lock.py` writes requirements/*.txt.

What is pinned already keeps its version, so that a new package moves nothing else (the ROS wheels of one distribution
belong together); name packages after the command to let these move: `python3.11 tools/lock.py mujoco`.

One set of pins serves Python 3.11 and 3.12: it is solved for 3.11 (the older one bounds the versions) and then
every pin is looked up again as a 3.12 wheel. Torch's own accelerator wheels are not pinned here: which ones it
needs depends on the build of torch that the machine offers, and torch itself names them exactly.

Each package stands in the first lock file that leads to it: runtime.txt, build.txt on top of it, dev.txt on both.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LEVELS = ("runtime", "build", "dev")
REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
SOURCE_ONLY = {"empy"}  # no wheel exists: pure Python, built on the spot
ACCELERATOR = ("nvidia-", "cuda-", "triton")
ASKED_FOR = {"cuda-bindings", "cuda-pathfinder"}  # by dev.in; torch's range of versions holds these


def solve(*inputs: str, free: set[str] = frozenset()) -> dict[str, str]:
    """Return name -> version of everything the input files lead to on this Python; pins hold, but for `free`."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report, tempfile.NamedTemporaryFile("w+") as pins:
        pins.writelines(line for line in pinned() if normal(line.split("==")[0]) not in free)
        pins.flush()
        files = [part for name in inputs for part in ("-r", str(REQUIREMENTS / name))]
        pip("install", "--dry-run", "--ignore-installed", "--report", report.name, "-c", pins.name, *files)
        installs = json.loads(Path(report.name).read_text())["install"]
    found = {normal(one["metadata"]["name"]): one["metadata"]["version"].split("+")[0] for one in installs}
    return {name: found[name] for name in found if name in ASKED_FOR or not name.startswith(ACCELERATOR)}


def pinned() -> list[str]:
    """Return the lines of the lock files that are there."""
    texts = [path.read_text() for path in sorted(REQUIREMENTS.glob("*.txt"))]
    return [line + "\n" for text in texts for line in text.splitlines() if "==" in line]


def check_wheels(pins: dict[str, str], python: str) -> None:
    """Refuse pins that have no wheel for the given Python version."""
    # torch is left out: a local build, where a machine has one, exists for one Python only
    lines = [f"{name}=={version}" for name, version in pins.items() if name not in SOURCE_ONLY | {"torch"}]
    with tempfile.TemporaryDirectory() as folder:
        pip(
            "install",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            python,
            "--target",
            folder,
            *lines,
        )


def write(name: str, pins: dict[str, str]) -> None:
    """Write one lock file, sorted by name."""
    head = f"# Written by tools/lock.py from {Path(name).stem}.in; valid for Python 3.11 and 3.12. Do not edit.\n"
    text = "".join(f"{package}=={version}\n" for package, version in sorted(pins.items()))
    (REQUIREMENTS / name).write_text(head + text)


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


def normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def main() -> None:
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"lock: this is Python {sys.version.split()[0]}; run it with 3.11, the oldest supported one")
    free = {normal(name) for name in sys.argv[1:]}
    pins = solve(*(f"{level}.in" for level in LEVELS), free=free)
    check_wheels(pins, "3.12")
    levels, taken = {}, set()
    for i, level in enumerate(LEVELS, 1):
        names = set(solve(*(f"{name}.in" for name in LEVELS[:i]), free=free))
        levels[level], taken = {name: pins[name] for name in names - taken}, taken | names
    for level, chosen in levels.items():
        write(f"{level}.txt", chosen)


if __name__ == "__main__":
    main()
