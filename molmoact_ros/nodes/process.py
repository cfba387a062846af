"""The life of a node process: start ROS, spin, end with an exit code that tells the truth."""

import os
import signal
import sys
import traceback

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import TransitionCallbackReturn

from ..errors import ConfigError, MolmoActError
from .executor import make_executor

RCLError = rclpy_implementation.RCLError


def say(name: str, error: BaseException) -> None:
    """Print one line on stderr for an error that a person can act on, a traceback for a defect."""
    if isinstance(error, MolmoActError):
        print(f"[{name}] error: {error}", file=sys.stderr, flush=True)
    else:
        text = "".join(traceback.format_exception(error))
        print(f"[{name}] defect: {error!r}\n{text}", file=sys.stderr, flush=True)


def run(node_class, args=None) -> None:
    """Run one node until it is told to stop, and end the process. Does not return.

    SIGINT, SIGTERM and lifecycle shutdown are success; anything else is exit code 1.
    """
    node, failure = None, None
    try:
        _init(args)
        node = node_class()
        executor = make_executor()
        executor.add_node(node)
        node.on_end = executor.stop
        if node.autostart and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()
        if node.failure is None:
            executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # told to stop
    except Exception as error:
        failure = error
        say(node.get_name() if node else node_class.__name__, error)
    finally:
        _end(node)
    _leave(1 if failure or (node and node.failure) else 0)


def _init(args) -> None:
    try:
        rclpy.init(args=args)
    except RCLError as error:
        reason = str(error).split(", at ")[0]
        raise ConfigError(f"ROS did not start: {reason}", "valid --ros-args", "Correct the command line.") from None


def _end(node) -> None:
    """Close the node; a second Ctrl-C does not interrupt it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if node is not None:
        node.end()
    rclpy.try_shutdown()


def _leave(code: int) -> None:
    """End the process now. All is closed, and taking torch apart would last seconds on a busy machine."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
