"""The report of a suite as one page that needs nothing else: figures with intervals, failures with pictures."""

import math
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from ..errors import missing_package
from .failures import CATEGORIES
from .pictures import decode_jpeg, write_video
from .report import environment
from .workers import strip

# One picture per step of an episode.
_VIDEO_HZ = 5.0


def check_packages() -> None:
    """Say before a long run what its page will need. MissingPart when it is not installed."""
    for package, name in {"jinja2": "jinja2", "cv2": "opencv-python-headless"}.items():
        if find_spec(package) is None:
            raise missing_package(name, "sim")


def write(path, summary: dict, cases: list[dict], video: bool = False) -> None:
    """Write the page; with `video` an mp4 of every failure that has pictures, in a folder beside it."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = [_failure(case, path, video) for case in cases if not case["success"]]
    counts = Counter(case["category"] for case in failures)
    pages = Environment(loader=PackageLoader("molmoact_ros.evaluation", "."), autoescape=select_autoescape())
    text = pages.get_template("report.html").render(
        summary=summary, rows=_rows(summary, cases), failures=failures, environment=environment(),
        categories=[(name, count, CATEGORIES.get(name, "")) for name, count in counts.most_common()],
    )  # fmt: skip
    path.write_text(text)


def _rows(summary: dict, cases: list[dict]) -> list[dict]:
    """One row for the whole, every axis and every task."""
    rows = [_row("all", summary, "", len(cases))]
    for key in ("axis", "task"):
        for name in dict.fromkeys(case[key] for case in cases):
            rows.append(_row(f"{key} {name}", summary, f"_{name}", sum(case[key] == name for case in cases)))
    return rows


def _row(name: str, summary: dict, ending: str, episodes: int) -> dict:
    low, high = summary[f"ci95_low{ending}"], summary[f"ci95_high{ending}"]
    rate, gap = summary[f"success_rate{ending}"], summary.get(f"gap{ending}") if ending else None
    return {"name": name, "episodes": episodes, "rate": rate, "low": low, "high": high, "gap": gap}


def _failure(case: dict, page: Path, video: bool) -> dict:
    pictures = case.get("pictures", [])
    shown = {**case, "strip": strip(pictures) if pictures else [], "video": ""}
    if not math.isfinite(shown.get("min_distance_m") or math.nan):
        shown["min_distance_m"] = math.nan
    if video and pictures:
        folder = page.with_suffix("")
        folder.mkdir(exist_ok=True)
        shown["video"] = f"{folder.name}/{case['seed']}.mp4"
        write_video(page.parent / shown["video"], [decode_jpeg(picture) for picture in pictures], _VIDEO_HZ)
    return shown
