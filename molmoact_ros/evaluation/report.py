"""Reports: {summary, cases, environment} as JSON, with the statistics that the summaries need."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from pathlib import Path

import numpy as np

from ..sim.layout import AXES

# Normal quantile of a two-sided 95 % interval.
_Z95 = 1.959963984540054
_PACKAGES = ("numpy", "onnxruntime", "torch", "mujoco", "franky-control", "franky-sim", "ros-jazzy-rclpy", "rosbags")


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a success rate (E. B. Wilson, JASA 22, 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    p, z2 = successes / trials, _Z95**2
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def percentile(values, q: float) -> float:
    """Return the q-th percentile (0..100) of the finite values; NaN when there are none."""
    values = np.asarray(list(values), float)
    values = values[np.isfinite(values)]
    return float(np.percentile(values, q)) if values.size else float("nan")


def suite_summary(cases: list[dict]) -> dict:
    """Sum up episodes, each with task, axis, success, reached, wrong_object and plan_ms (latencies of its plans).

    Rates per task and per axis stand beside the whole, and how far each axis falls behind tables like those of
    training, where both ran.
    """
    summary = _rates(cases)
    for key in ("task", "axis"):
        for name in dict.fromkeys(c[key] for c in cases):
            part = _rates([c for c in cases if c[key] == name])
            summary |= {f"{k}_{name}": part[k] for k in ("success_rate", "ci95_low", "ci95_high")}
    known = summary.get(f"success_rate_{AXES[0]}")
    for name in dict.fromkeys(c["axis"] for c in cases if c["axis"] != AXES[0]) if known is not None else ():
        summary[f"gap_{name}"] = known - summary[f"success_rate_{name}"]
    return summary


def _rates(cases: list[dict]) -> dict:
    successes = sum(bool(c["success"]) for c in cases)
    low, high = wilson(successes, len(cases))
    return {
        "episodes": len(cases),
        "successes": successes,
        "reached": sum(bool(c["reached"]) for c in cases),
        "wrong_object": sum(bool(c.get("wrong_object")) for c in cases),
        "success_rate": successes / len(cases) if cases else float("nan"),
        "ci95_low": low,
        "ci95_high": high,
        "plan_ms_p50": percentile([ms for c in cases for ms in c.get("plan_ms", [])], 50),
    }


def environment() -> dict:
    """Say what ran where: versions, processor, GPU, date, source revision."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "gpu": _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]) or "none",
        "git_revision": _output(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent) or "unknown",
        "ros_distro": os.environ.get("ROS_DISTRO", "jazzy (wheels)"),
        "rmw": os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def write_report(path, summary: dict, cases: list[dict]) -> None:
    """Write one JSON object; NaN and infinity become null so that every JSON reader takes it."""
    report = {"summary": summary, "cases": cases, "environment": environment()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_plain(report), indent=2, allow_nan=False) + "\n")


def _plain(value):
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _output(command, cwd=None) -> str:
    """Return what a tool prints, empty when it is not installed, fails or hangs."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
