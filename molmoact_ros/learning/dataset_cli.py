"""`molmoact dataset …`: action-reasoning data in LeRobot's format: export, convert, check, look."""

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact dataset`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    export = verbs.add_parser("export", help="demonstrations made by molmoact train -> a LeRobot dataset")
    export.add_argument("source", help="folder of the demonstrations")
    export.add_argument("folder", help="new folder")
    convert = verbs.add_parser("convert", help="somebody's LeRobot dataset -> one with traces, chunks and bins")
    convert.add_argument("source", help="folder of the dataset (v2.1 or v3.0)")
    convert.add_argument("folder", help="new folder")
    convert.add_argument("--map", required=True, metavar="FILE", help="how its columns are read (docs/dataset.md)")
    for verb, text in (("check", "is it what it says?"), ("info", "what it holds")):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("folder")
        one.add_argument("--json", metavar="FILE", help="write it")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact dataset`; returns the exit code."""
    return {"export": _export, "convert": _convert, "check": _check, "info": _info}[options.verb](options)


def _quiet() -> bool:
    return not sys.stderr.isatty()


def _export(options) -> int:
    from .dataset import load_records
    from .demonstrations import CAMERA
    from .lerobot.schema import Meaning
    from .lerobot.writer import write_dataset
    from .spelling import Spelling

    records, _ = load_records(options.source, visits=sys.maxsize)
    spelled = Spelling()
    ends = (tuple(spelled.action.q01.tolist()), tuple(spelled.action.q99.tolist()))
    camera, labels = f"observation.images.{CAMERA}", records.instruction.shape[1]
    meaning = Meaning(camera, spelled.action_frame, records.horizon, spelled.dims, *ends, labels=labels)
    print(f"wrote {write_dataset(records, options.folder, meaning, quiet=_quiet())}: {len(records)} frames")
    return 0


def _convert(options) -> int:
    from .lerobot.convert import convert
    from .lerobot.mapping import load_mapping

    print(f"wrote {convert(options.source, options.folder, load_mapping(options.map), _quiet())}")
    return 0


def _check(options) -> int:
    from .lerobot.check import check

    found = check(options.folder)
    for name, wrong in found:
        print(f"  {name:<12} {wrong or 'ok'}")
    faults = [f"{name}: {wrong}" for name, wrong in found if wrong]
    _write(options.json, {"checks": len(found), "failed": len(faults), "first_failure": faults[0] if faults else ""})
    return 1 if faults else 0


def _info(options) -> int:
    from dataclasses import asdict

    from .lerobot.schema import INFO, Meaning, read_json

    info = read_json(options.folder, INFO, "Name the folder that holds meta/ and data/.")
    meaning = asdict(Meaning.load(options.folder))
    counts = {k: info[k] for k in ("codebase_version", "total_episodes", "total_frames", "total_tasks", "fps")}
    for key, value in {**counts, **meaning}.items():
        print(f"  {key:<18} {value}")
    _write(options.json, {**counts, "meaning": meaning})
    return 0


def _write(path, data: dict) -> None:
    if path:
        with open(path, "w") as file:
            json.dump(data, file, indent=1)
