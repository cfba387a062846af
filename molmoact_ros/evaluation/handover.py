"""Go on as the process that speaks ROS: `python -m molmoact_ros.nodes.watch <tool> <options>`."""

import argparse
import json
import os
import sys

WATCH = "molmoact_ros.nodes.watch"


def hand_over(tool: str, options: argparse.Namespace) -> int:
    """Replace this process (same id, same terminal, so Ctrl-C and exit code are its own); does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", WATCH, tool, json.dumps(vars(options))])


def options_from(text: str) -> argparse.Namespace:
    """Read what `hand_over` wrote."""
    return argparse.Namespace(**json.loads(text))
