"""Run one node: python -m molmoact_ros.nodes <name> --ros-args …

The process ends with the one that started it: the kernel sends SIGTERM when MOLMOACT_PARENT is gone.
"""

import ctypes
import os
import signal
import sys
from importlib import import_module

from ..cell import CONFIGS

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Import the node that is named first and run it with the rest."""
    parent = os.environ.get("MOLMOACT_PARENT", "")
    if parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            raise SystemExit(1)
    if len(sys.argv) < 2 or sys.argv[1] not in CONFIGS:
        print(f"usage: python -m molmoact_ros.nodes {{{','.join(CONFIGS)}}} [--ros-args …]", file=sys.stderr)
        raise SystemExit(2)
    name = sys.argv.pop(1)
    try:
        node = import_module(f"molmoact_ros.nodes.{name}")
    except KeyboardInterrupt:  # told to stop before it began
        raise SystemExit(0) from None
    node.main()


main()
