"""`molmoact doctor MODEL`: what must be true of a checkpoint before it may move an arm, as a table."""

import argparse

from ..arms.profile import FR3
from ..perception.raster import resize
from ..places import locate
from ..reasoning.config import BACKENDS
from ..reasoning.factory import Engine, open_reasoner, pass_gate
from ..reasoning.gate import Check, Station
from ..reasoning.manifest import manifest_path, pin
from .report import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact doctor`."""
    parser.add_argument("checkpoint", help="folder of a checkpoint with its manifest beside it, or the manifest itself")
    parser.add_argument("--arms", type=int, default=1, help="arms of the cell")
    parser.add_argument("--cameras", nargs="+", default=list(Station(FR3).cameras), help="cameras of the cell")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="what answers the probe frames")
    parser.add_argument("--device", default="auto", help="torch device that the probe frames are answered on")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the network")
    parser.add_argument("--pin", action="store_true", help="write the checksums of the files as they are now, first")
    parser.add_argument("--json", help="write the report to this file")


def main(options: argparse.Namespace) -> int:
    """Run the checkpoint gate; exit code 0 only if every check passed."""
    checkpoint = _located(options.checkpoint)
    if options.pin:
        print(f"pinned {len(pin(checkpoint))} files in {manifest_path(checkpoint)}")
    station = Station(FR3, options.arms, tuple(options.cameras))
    names = tuple(f"arm{i}" for i in range(options.arms))
    engine = Engine(options.backend, options.device, options.threads)
    _, checks = pass_gate(
        checkpoint, station, lambda: open_reasoner(checkpoint, resize, names, engine), options.backend
    )
    print(table(checks))
    failed = [check for check in checks if check.error is not None]
    first = f"{failed[0].name}: {failed[0].detail}" if failed else None
    if options.json:
        summary = {"checks": len(checks), "failed": len(failed), "first_failure": first}
        write_report(options.json, summary, [_line(check) for check in checks])
    print(f"{checkpoint}: " + (f"refused by {len(failed)} of {len(checks)} checks" if failed else "may be armed"))
    return 1 if failed else 0


def table(checks: list[Check]) -> str:
    """Return one line per check: its result, its name, and what was seen or what to do."""
    width = max(len(check.name) for check in checks)
    return "\n".join(f"  {_result(check):7}  {check.name:{width}}  {check.detail}" for check in checks)


def _result(check: Check) -> str:
    return "pass" if check.passed else "not run" if not check.ran else "REFUSED"


def _line(check: Check) -> dict:
    return {"name": check.name, "result": _result(check), "detail": check.detail}


def _located(checkpoint: str) -> str:
    """Return the path of the manifest, which may stand in the data of an installation; the folder may be absent."""
    do = "Name the folder of a model (its manifest stands beside it: NAME.yaml); docs/models.md says how to write one."
    return locate(str(manifest_path(checkpoint.rstrip("/"))), "manifest", do)
