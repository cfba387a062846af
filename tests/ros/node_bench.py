"""One real node in a process of its own, and a bench that feeds it and listens to it."""

import os
import signal
import subprocess
import sys
import threading
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor


class Bench:
    """Feed a node's inputs and keep its outputs. Use as context manager; `domain` keeps benches apart."""

    def __init__(self, module: str, domain: int, **parameters):
        self.environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        command = f"from molmoact_ros.nodes.{module} import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, "--ros-args", *arguments],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("bench", context=self.context)
        self.heard: dict[str, list] = {}
        self._tickers = []
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = None

    def listen(self, msg_type, topic: str, qos) -> None:
        """Keep every message of a topic in `heard`, with its arrival on the steady clock."""
        kept = self.heard[topic] = []
        self.node.create_subscription(msg_type, topic, lambda m: kept.append((time.monotonic(), m)), qos)

    def feed(self, msg_type, topic: str, qos, hz: float, make) -> dict:
        """Publish `make()` at a rate while `on` in the returned switch is true."""
        switch, publisher = {"on": True}, self.node.create_publisher(msg_type, topic, qos)
        self.node.create_timer(1.0 / hz, lambda: publisher.publish(make()) if switch["on"] else None)
        return switch

    def __enter__(self):
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.context.try_shutdown()
        self._thread.join(5.0)
        self.end()

    def _spin(self):
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def end(self) -> tuple[int, str]:
        """End the node; return its exit code and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            _, said = self.process.communicate(timeout=10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, said = self.process.communicate()
        return self.process.returncode, said

    def last(self, topic: str):
        """Return the newest message of a topic, None before the first."""
        kept = self.heard[topic]
        return kept[-1][1] if kept else None

    def wait(self, condition, timeout_s: float = 15.0) -> bool:
        """Wait for `condition()`; say whether it came."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.005)
        return False

    def call(self, client, request, timeout_s: float = 10.0):
        """Call a service and return its answer."""
        assert client.wait_for_service(timeout_s)
        future = client.call_async(request)
        assert self.wait(future.done, timeout_s)
        return future.result()

    def now_ns(self) -> int:
        """ROS time."""
        return self.node.get_clock().now().nanoseconds
