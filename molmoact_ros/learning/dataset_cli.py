"""`molmoact dataset …`: action-reasoning data in LeRobot's format: export, convert, check, look."""

import argparse
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact dataset`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    export = verbs.add_parser("export", help="demonstrations made by molmoact train -> a LeRobot dataset")
    export.add_argument("source", help="folder of the demonstrations")
    export.add_argument("folder", help="new folder")
    convert = verbs.add_parser("convert", help="somebody's LeRobot dataset -> one with traces, chunks and bins")
    convert.add_argument("source", help="folder of the dataset (v2.x or v3.0)")
    convert.add_argument("folder", help="new folder")
    convert.add_argument("--map", required=True, metavar="FILE", help="what its columns mean (docs/dataset.md)")
    for verb, text in (("check", "is it what it says? exit code 1 if not"), ("info", "what it holds")):
        verbs.add_parser(verb, help=text).add_argument("folder")
    for verb in verbs.choices.values():
        verb.add_argument("--json", action="store_true", help="print JSON instead of lines")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact dataset`; returns the exit code."""
    return {"export": _export, "convert": _convert, "check": _check, "info": _info}[options.verb](options)


def _quiet(options) -> bool:
    return options.json or not sys.stderr.isatty()


def _export(options) -> int:
    from .dataset import load_records
    from .lerobot.writer import write_dataset
    from .spelling import Spelling

    spelling, (records, _) = Spelling(), load_records(options.source, visits=sys.maxsize)
    ends = {"dims": spelling.dims, "q01": tuple(spelling.action.q01), "q99": tuple(spelling.action.q99)}
    folder = write_dataset(records, options.folder, spelling.rate_hz, ends, quiet=_quiet(options))
    return _made(options, folder)


def _convert(options) -> int:
    from .lerobot.convert import convert
    from .lerobot.mapping import load_mapping

    return _made(options, convert(options.source, options.folder, load_mapping(options.map), _quiet(options)))


def _made(options, folder: Path) -> int:
    from .lerobot.check import summary

    found = summary(folder)
    if options.json:
        print(json.dumps({"folder": str(folder), **found}, indent=1))
        return 0
    print(f"wrote {found['frames']} frames in {found['episodes']} episodes to {folder}")
    for fault in found["notes"]:
        print(f"  note: {fault}")
    return 0


def _check(options) -> int:
    from .lerobot.check import check

    found = check(options.folder)
    faults = {name: wrong for name, wrong in found if wrong}
    if options.json:
        print(json.dumps({"checks": [name for name, _ in found], "faults": faults}, indent=1))
    else:
        for name, wrong in found:
            print(f"  {name:<11} {wrong or 'ok'}")
    return 1 if faults else 0


def _info(options) -> int:
    from .lerobot.check import summary

    found = summary(options.folder)
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    ends = found.pop("bins")
    for key, value in found.items():
        print(f"  {key:<12} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    print(f"  {'bins':<12} from .. to")
    for name, (low, high) in ends.items():
        print(f"  {'':<12} {name:<14} {low:.4g} .. {high:.4g}")
    return 0
