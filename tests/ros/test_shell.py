"""The shell with a tiny node: parameters, lifecycle, diagnostics, and the exit code of the process."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.ros

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosgraph_msgs.msg import Clock as ClockMessage  # noqa: E402
from std_msgs.msg import Float64  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from molmoact_ros.config import REQUIRED, option  # noqa: E402
from molmoact_ros.errors import InvalidData, MissingPart  # noqa: E402
from molmoact_ros.nodes import qos, shell  # noqa: E402
from molmoact_ros.nodes.executor import make_executor  # noqa: E402

DOMAIN = 71


@dataclass(frozen=True)
class TinyConfig:
    """Options of the tiny node."""

    gain: float = option(REQUIRED, "what a number is multiplied by", low=0.0, high=10.0)
    offsets: tuple[float, ...] = option((), "what is added")
    defect: str = option("", "where to fail", choices=("", "configure", "tick", "part", "close", "name"))


class TinyNode(shell.CellNode):
    """Multiplies the numbers that come and counts its ticks."""

    CONFIG = TinyConfig

    def configure(self, config):
        self.closed = 0
        if config.defect == "name":
            self._clock = 1
        if config.defect == "configure":
            raise ValueError("a defect in configure")
        if config.defect == "close":
            del self.closed
        if config.defect in ("part", "close"):
            raise MissingPart("no motor", "a motor", "Plug it in.")
        self.config, self.ticks = config, 0
        self._out = self.output(Float64, "out", qos.EVENT)
        self.input(Float64, "in", self._take, qos.EVENT)
        self.serve(SetBool, "switch", self._switch)
        self.every(0.02, self._tick)

    def _take(self, msg):
        if msg.data < 0:
            raise InvalidData("a negative number", "a positive one", "Fix the producer.")
        self._out.publish(Float64(data=msg.data * self.config.gain + sum(self.config.offsets)))

    def _switch(self, request, response):
        response.success = request.data
        return response

    def _tick(self):
        self.ticks += 1
        self.report(ticks=self.ticks)
        if self.config.defect == "tick" and self.ticks > 3:
            raise ValueError("a defect in tick")

    def close(self):
        self.closed += 1


class Graph:
    """The tiny node and a bench node in one process, spun by hand."""

    def __init__(self, **parameters):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = TinyNode(context=self.context, parameter_overrides=overrides)
        self.bench = rclpy.create_node("bench", context=self.context)
        self.executor = make_executor(self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.bench)

    def spin_until(self, condition, timeout_s=5.0):
        end = time.monotonic() + timeout_s
        watch = self.bench.create_timer(0.01, lambda: condition() and self.executor.stop())
        give_up = self.bench.create_timer(timeout_s, self.executor.stop)
        self.executor._stopped = False
        self.executor.spin()
        for timer in (watch, give_up):
            self.bench.destroy_timer(timer)
        assert time.monotonic() < end, "the condition did not come true"

    def call(self, srv_type, name, **request):
        client = self.bench.create_client(srv_type, name)
        assert client.wait_for_service(5.0)
        future = client.call_async(srv_type.Request(**request))
        self.spin_until(future.done)
        return future.result()

    def transition(self, transition_id):
        return self.call(ChangeState, "tiny/change_state", transition=Transition(id=transition_id)).success

    def state(self):
        return self.call(GetState, "tiny/get_state").current_state.label


@pytest.fixture
def graph():
    graphs = []

    def start(**parameters):
        graphs.append(Graph(**parameters))
        return graphs[-1]

    yield start
    for each in graphs:
        each.node.end()
        each.context.try_shutdown()


def test_data_flows_and_diagnostics_tell_of_it(graph):
    g = graph(gain=2, offsets=[0.5, 0.25])
    assert g.node.trigger_configure() and g.node.trigger_activate()
    heard, status = [], []
    g.bench.create_subscription(Float64, "out", heard.append, qos.EVENT)
    g.bench.create_subscription(DiagnosticArray, "/diagnostics", status.append, qos.EVENT)
    numbers = g.bench.create_publisher(Float64, "in", qos.EVENT)
    g.bench.create_timer(0.05, lambda: (numbers.publish(Float64(data=1.0)), numbers.publish(Float64(data=-1.0))))
    g.spin_until(lambda: len(status) >= 2)
    assert heard and {msg.data for msg in heard} == {2.75}
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert status[-1].status[0].name == "/tiny" and int(values["ticks"]) > 10
    assert float(values["in rate_hz"]) > 10 and float(values["in age_s"]) < 1.0 and int(values["in dropped"]) > 1
    assert g.call(SetBool, "switch", data=True).success
    assert g.node.failure is None


def test_parameters_are_readable_with_their_range(graph):
    g = graph(gain=2)
    answer = g.call(GetParameters, "tiny/get_parameters", names=["gain", "defect", "autostart"])
    assert [value.type for value in answer.values] == [2, 4, 1]
    assert g.node.describe_parameter("gain").additional_constraints == "0.0..10.0"


def test_lifecycle_driven_by_hand(graph):
    g = graph(gain=1.0, autostart=False)
    assert g.state() == "unconfigured"
    assert g.transition(Transition.TRANSITION_CONFIGURE) and g.state() == "inactive"
    assert g.node.ticks == 0
    assert g.transition(Transition.TRANSITION_ACTIVATE)
    g.spin_until(lambda: g.node.ticks > 3)
    assert g.transition(Transition.TRANSITION_DEACTIVATE)
    ticks = g.node.ticks
    time.sleep(0.1)
    assert g.state() == "inactive" and g.node.ticks == ticks
    assert g.transition(Transition.TRANSITION_CLEANUP) and g.node.closed == 1
    assert [s.topic for s in g.node.subscriptions if s.topic.endswith("/in")] == []
    assert g.transition(Transition.TRANSITION_CONFIGURE) and g.transition(Transition.TRANSITION_ACTIVATE)
    g.spin_until(lambda: g.node.ticks > 3)
    assert g.transition(Transition.TRANSITION_ACTIVE_SHUTDOWN) and g.node.closed == 1


def test_a_failed_configure_by_hand_can_be_tried_again(graph, capfd):
    g = graph(gain=100.0, autostart=False)
    assert not g.transition(Transition.TRANSITION_CONFIGURE)
    assert "[tiny] error: TinyConfig.gain = 100.0; expected float in 0.0..10.0." in capfd.readouterr().err
    g.node.set_parameters([Parameter("gain", value=1.0)])
    assert g.state() == "unconfigured" and g.transition(Transition.TRANSITION_CONFIGURE)


def test_simulated_time_and_steady_timers(graph):
    g = graph(gain=1.0, use_sim_time=True)
    assert g.node.trigger_configure() and g.node.trigger_activate()
    g.spin_until(lambda: g.node.ticks > 3)
    assert g.node.now_ns() == 0
    clock = g.bench.create_publisher(ClockMessage, "/clock", qos.STATE)
    message = ClockMessage()
    message.clock.sec = 7
    g.bench.create_timer(0.02, lambda: clock.publish(message))
    g.spin_until(lambda: g.node.now_ns() == 7_000_000_000)


def start_process(*parameters):
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    source = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from test_shell import TinyNode, shell; shell.run(TinyNode)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", source, os.path.dirname(__file__), "--ros-args", *arguments],
        env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)},
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of(*parameters):
    """Wait for a process that ends by itself; return it and its stderr."""
    process = start_process(*parameters)
    try:
        return process, process.communicate(timeout=20)[1]
    finally:
        process.kill()


@pytest.mark.parametrize(
    "parameters, expected",
    [
        ([], "[tiny] error: TinyConfig.gain is not set; expected float in 0.0..10.0"),
        (["gain:=11.0"], "[tiny] error: TinyConfig.gain = 11.0; expected float in 0.0..10.0"),
        (["gain:=1.0", "gian:=2.0"], "[tiny] error: unknown option of TinyConfig 'gian';"),
        (["gain:=1.0", "defect:=part"], "[tiny] error: no motor; expected a motor. Plug it in."),
        (["gain:=[1"], "error: ROS did not start: "),
    ],
)
def test_bad_parameters_end_the_process_in_one_line(parameters, expected):
    process, errors = end_of(*parameters)
    lines = [line for line in errors.splitlines() if "[rcl]" not in line]
    assert process.returncode == 1 and len(lines) == 1 and expected in lines[0]


@pytest.mark.parametrize("where", ["configure", "tick"])
def test_a_defect_ends_the_process_with_its_traceback(where):
    process, errors = end_of("gain:=1.0", f"defect:={where}")
    assert process.returncode == 1
    assert errors.count(f"ValueError: a defect in {where}") == 1 and errors.count("Traceback") == 1


def test_an_attribute_of_rclpy_is_not_overwritten():
    process, errors = end_of("gain:=1.0", "defect:=name")
    assert process.returncode == 1 and "overwritten attributes of rclpy.Node: ['_clock']" in errors


def test_a_close_that_fails_does_not_hide_the_error():
    process, errors = end_of("gain:=1.0", "defect:=close")
    assert process.returncode == 1 and "no motor" in errors.splitlines()[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_is_success(number):
    process = start_process("gain:=1.0")
    time.sleep(2.0)
    start = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "") and time.monotonic() - start < 2.0
