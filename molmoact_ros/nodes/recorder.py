"""Record what an observer receives, as the bytes that travelled."""

import threading
import time

from rclpy.qos import ReliabilityPolicy

from ..replay.bag import BagWriter
from .topics import type_name


class Recorder:
    """Write topics into one new bag, stamped with the wall time of arrival as `ros2 bag record` does.

    topics: absolute name -> (message type, QoS). `write` and `close` may be called from different threads.
    """

    def __init__(self, path, topics: dict):
        self._bag, self._lock = BagWriter(path), threading.Lock()
        for name, (msg_type, profile) in topics.items():
            reliable = profile.reliability == ReliabilityPolicy.RELIABLE
            self._bag.add_topic(name, type_name(msg_type), reliable, depth=profile.depth)

    def write(self, topic: str, data: bytes) -> None:
        """Append one message; after `close` nothing happens."""
        with self._lock:
            if self._bag is not None:
                self._bag.write(topic, time.time_ns(), data)

    def close(self) -> None:
        """Complete the bag."""
        with self._lock:
            bag, self._bag = self._bag, None
            if bag is not None:
                bag.close()
