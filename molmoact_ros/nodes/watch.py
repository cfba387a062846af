"""Run a tool of evaluation/ with an observer: python -m molmoact_ros.nodes.watch <demo|eval> <options as JSON>."""

import os
import signal
import sys
from functools import partial

from ..cell import process_environment
from ..errors import MolmoActError
from ..evaluation import demo, suite
from ..evaluation.handover import options_from
from .observer import Observer

# Pictures only for the demo: an evaluation leaves the cores to the cell.
TOOLS = {
    "demo": (demo.run, partial(Observer, "demo", pictures=True)),
    "eval": (suite.run, partial(Observer, "evaluation")),
}


def main(arguments: list[str]) -> int:
    """Run the tool and return its exit code: 1 with one line on stderr for a MolmoActError, 130 after Ctrl-C."""
    tool, options = arguments
    run, open_observer = TOOLS[tool]
    os.environ.update(process_environment())
    # A simulated cell stays on this machine: its commands must never reach a robot on the network.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(open_observer, options_from(options))
    except MolmoActError as error:
        print(f"[{tool}] error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
