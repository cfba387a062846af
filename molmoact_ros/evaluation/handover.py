"""Go on as the process that speaks ROS: `python -m molmoact_ros.nodes.watch <tool> <options>`."""

import argparse
import json
import os
import sys

from ..cell import SIMULATION_ENVIRONMENT

WATCH = "molmoact_ros.nodes.watch"


def hand_over(tool: str, options: argparse.Namespace) -> int:
    """Replace this process (same id, same terminal, so Ctrl-C and exit code are its own); does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Whoever watches a simulated cell has to be where the cell is.
    environment = {**os.environ, **SIMULATION_ENVIRONMENT}
    os.execve(sys.executable, [sys.executable, "-m", WATCH, tool, json.dumps(vars(options))], environment)


def options_from(text: str) -> argparse.Namespace:
    """Read what `hand_over` wrote."""
    return argparse.Namespace(**json.loads(text))
