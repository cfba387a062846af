"""The observer against a real publisher in another node: rates, ages, truth, services, and a bag that reads back."""

import os
import threading
import time

import pytest

pytestmark = pytest.mark.ros

rclpy = pytest.importorskip("rclpy")
from molmoact_msgs.msg import Plan, SafetyStatus, SimState  # noqa: E402
from molmoact_msgs.srv import ResetWorld  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from molmoact_ros.errors import MissingPart  # noqa: E402
from molmoact_ros.nodes import qos  # noqa: E402
from molmoact_ros.nodes.executor import make_executor  # noqa: E402
from molmoact_ros.nodes.observer import Observer  # noqa: E402
from molmoact_ros.replay.bag import message_types, read  # noqa: E402

# Sessions that test at the same time on one machine should not hear each other.
DOMAIN = str(88 + os.getpid() % 14)
AGE_S = 0.05


class Source:
    """A node that publishes what a cell publishes, at 50 Hz, with stamps 50 ms old, and refuses seed 13."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("source", context=self.context)
        self.sim = self.node.create_publisher(SimState, "sim/state", qos.STATE)
        self.status = self.node.create_publisher(SafetyStatus, "safety/status", qos.STATE)
        self.image = self.node.create_publisher(Image, "overlay/image", qos.SENSOR)
        self.plan = self.node.create_publisher(Plan, "reasoning/plan", qos.EVENT)
        self.node.create_service(ResetWorld, "sim/reset", self.reset)
        self.node.create_timer(0.02, self.tick)
        self.ticks = 0
        self.executor = make_executor(self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def reset(self, request, response):
        response.accepted, response.message = request.seed != 13, "an unlucky seed"
        return response

    def tick(self):
        self.ticks += 1
        stamp_ns = self.node.get_clock().now().nanoseconds - int(AGE_S * 1e9)
        for message, publisher in ((SimState(), self.sim), (SafetyStatus(), self.status), (Image(), self.image)):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            if isinstance(message, SimState):
                message.seed, message.object_names = self.ticks, []
                message.ee.position.x = 0.5
            elif isinstance(message, SafetyStatus):
                message.passed = self.ticks
            else:
                message.height, message.width, message.step = 24, 32, 96
                message.encoding, message.data = "rgb8", bytes(24 * 96)
            publisher.publish(message)
        if self.ticks % 10 == 0:
            self.plan.publish(Plan(plan_id=self.ticks, refusal="tired", latency_names=["total"], latency_ms=[120.0]))

    def close(self):
        self.executor.stop()
        self.thread.join(5.0)
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    source = Source()
    yield source
    source.close()


def test_rates_ages_truth_and_plans(source):
    plans = []
    with Observer() as observer:
        observer.listen("reasoning/plan", plans.append)
        assert observer.wait_for(lambda: len(plans) >= 5, 10.0)
        meter = observer.meters["sim/state"]
        assert meter.live_hz(time.monotonic()) == pytest.approx(50, rel=0.3)
        assert meter.live_age_ms() == pytest.approx(AGE_S * 1000, abs=20)
        assert observer.truth().tip == pytest.approx([0.5, 0, 0])
        assert observer.safety().verdicts.passed > 0
        assert "overlay/image" not in observer.meters


def test_services_answer_refuse_and_are_missed(source):
    with Observer() as observer:
        observer.reset_world(3)
        with pytest.raises(MissingPart, match="unlucky"):
            observer.reset_world(13)
        with pytest.raises(MissingPart, match="safety/e_stop"):
            observer.call("safety/e_stop", timeout_s=0.3)


def test_recording_reads_back_with_the_types_that_travelled(source, tmp_path):
    with Observer(pictures=True) as observer:
        assert observer.wait_for(lambda: observer.latest("overlay/image") is not None, 10.0)
        observer.start_recording(tmp_path / "bag")
        seen = observer.meters["sim/state"].count
        observer.wait_for(lambda: observer.meters["sim/state"].count >= seen + 50, 10.0)
        observer.stop_recording()
        travelled = {str(info.topic_type_hash) for info in observer._node.get_publishers_info_by_topic("sim/state")}
        assert travelled == {message_types().hash_rihs01("molmoact_msgs/msg/SimState")}
    records = list(read(tmp_path / "bag"))
    seeds = [r.message.seed for r in records if r.topic == "/sim/state"]
    assert len(seeds) >= 45 and seeds == sorted(seeds)
    images = [r.message for r in records if r.topic == "/overlay/image"]
    assert len(images) >= 40 and images[0].data.size == 24 * 32 * 3
