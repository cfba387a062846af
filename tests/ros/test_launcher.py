"""The process runner with real nodes: output, deaths, Ctrl-C, its own death, no orphans."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.ros

from molmoact_ros.cell import NodeSpec  # noqa: E402
from molmoact_ros.launcher import CellProcesses, ProcessEnded  # noqa: E402

ENVIRONMENT = {"ROS_DOMAIN_ID": "72"}
CONTROLLER = NodeSpec("controller", "controller", {"rate_hz": 50.0, "command_space": "ee"})
OVERLAY = NodeSpec("eyes", "overlay", {}, required=False)
BROKEN = NodeSpec("broken", "controller", {"rate_hz": 1.0e9})

# a launcher process with one node whose node has a child of its own
SCRIPT = """
import sys
from molmoact_ros import launcher
from molmoact_ros.cell import NodeSpec
sys.exit(launcher.run([NodeSpec("controller", "controller", {}), NodeSpec("eyes", "overlay", {}, required=False)]))
"""


def wait_until(condition, timeout_s=15.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def ready(name):
    """Say whether a node answers, which it does only when it spins."""
    import rclpy
    from lifecycle_msgs.srv import GetState

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(ENVIRONMENT["ROS_DOMAIN_ID"]))
    node = rclpy.create_node("bench", context=context)
    found = node.create_client(GetState, f"{name}/get_state").wait_for_service(15.0)
    context.try_shutdown()
    return found


def test_names_parameters_and_deaths():
    lines = []
    with CellProcesses([CONTROLLER, OVERLAY], lambda *line: lines.append(line), ENVIRONMENT) as cell:
        assert ready("controller") and ready("eyes")
        cell.check()
        cell.kill("eyes")
        wait_until(lambda: cell.processes["eyes"].poll() is not None)
        cell.check()
        cell.check()
        assert [text for name, text in lines if name == "launch"] == [
            "'eyes' has ended (exit code -9); the cell goes on without it"
        ]
        cell.kill("controller")
        start = time.monotonic()
        with pytest.raises(ProcessEnded, match="'controller' has ended with exit code -9"):
            cell.wait()
        assert time.monotonic() - start >= 1.0  # the others could bring the arm to rest


def test_the_reason_of_a_death_is_told():
    lines = []
    with CellProcesses([BROKEN], lambda *line: lines.append(line), ENVIRONMENT) as cell:
        with pytest.raises(ProcessEnded, match=r"'broken' has ended: ControlConfig.rate_hz = 1000000000.0; expected"):
            wait_until(cell.check)
    assert lines[-1][0] == "broken" and lines[-1][1].startswith("error: ControlConfig.rate_hz")


@pytest.fixture
def launcher():
    # tests that run in the background inherit an ignored Ctrl-C, a person's terminal does not
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **ENVIRONMENT},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: len(psutil.Process(process.pid).children()) == 2)
    children = psutil.Process(process.pid).children(recursive=True)
    assert ready("controller") and ready("eyes")
    yield process, children
    for each in [psutil.Process(process.pid)] if process.poll() is None else []:
        each.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything(launcher, number):
    process, children = launcher
    start = time.monotonic()
    process.send_signal(number)
    assert process.wait(10.0) == 0 and time.monotonic() - start < 3.5
    assert psutil.wait_procs(children, 0.5)[1] == []


def test_nothing_outlives_a_killed_launcher(launcher):
    process, children = launcher
    process.kill()
    assert psutil.wait_procs(children, 5.0)[1] == []


def test_a_stuck_process_is_killed():
    with CellProcesses([CONTROLLER], lambda *_: None, ENVIRONMENT) as cell:
        assert ready("controller")
        process = cell.processes["controller"]
        os.kill(process.pid, signal.SIGSTOP)
        start = time.monotonic()
    assert process.returncode == -signal.SIGKILL and time.monotonic() - start < 3.5
