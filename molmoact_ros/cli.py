"""`molmoact …`: every tool that a person starts by hand. A tool's module is imported when the tool is chosen."""

import argparse
import sys
from importlib import import_module

from .errors import MissingPart, MolmoActError

# name -> (module with add_arguments(parser) and main(options) -> exit code, help)
TOOLS = {
    "launch": ("launcher", "start a robot cell: molmoact launch franka sim:=true instruction:='pick up the red cube'"),
    "demo": ("evaluation.demo", "start the simulated cell, give it an instruction and show what happens"),
    "eval": ("evaluation.suite", "run a suite of episodes in closed loop and report"),
    "bench": (
        "evaluation.bench.cli",
        "measure how fast plans are made, against one token per pass: molmoact bench reasoning",
    ),
    "doctor": ("evaluation.doctor", "check a checkpoint before it may move an arm: molmoact doctor models/embedded"),
    "export": (
        "evaluation.export",
        "make graphs or engines of a checkpoint: molmoact export models/embedded --backend onnx",
    ),
    "parity": ("evaluation.parity.cli", "compare the model's code with golden data of the reference implementation"),
    "train": ("learning.cli", "train the models that the simulated cell ships with"),
    "dataset": ("learning.dataset_cli", "action-reasoning data in LeRobot format: export, convert, check, info"),
    "ablation": (
        "evaluation.ablation",
        "train and compare models without depth, trace or both, with other eyes and frames",
    ),
    "params": ("parameter_table", "print every option of every node: default, unit, range"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one tool and return its exit code: 1 with one line on stderr for a MolmoActError, 2 for a wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="molmoact", description="Action Reasoning Models on real robots.")
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")
    chosen = next((word for word in arguments if word in TOOLS), None)
    for name, (_, text) in TOOLS.items():
        tool = tools.add_parser(name, help=text, description=text)
        if name == chosen:
            module = _load(name)
            module.add_arguments(tool)
    options = parser.parse_args(arguments)
    try:
        return module.main(options) or 0
    except MolmoActError as error:
        return _say(options.tool, error)
    except ModuleNotFoundError as error:
        return _say(options.tool, _missing(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `molmoact params | head`
        sys.stderr.close()
        return 0


def _load(tool: str):
    try:
        return import_module(f".{TOOLS[tool][0]}", __package__)
    except ModuleNotFoundError as error:
        raise SystemExit(_say(tool, _missing(error))) from None


def _missing(error: ModuleNotFoundError) -> MissingPart:
    do = "Run `make setup` and use .venv/bin/molmoact, or install ROS 2 Jazzy and source its setup.bash."
    return MissingPart(f"the Python package '{error.name}' is not installed", "it beside molmoact_ros", do)


def _say(tool: str, error: MolmoActError) -> int:
    print(f"[{tool}] error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
