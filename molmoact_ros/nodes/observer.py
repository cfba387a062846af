"""Watch a running cell from outside: rates, ages, truth, plans and verdicts; record it.

Messages are taken as bytes. Rate and age need 8 of them; a message is decoded only where somebody asked for it.
"""

import struct
import threading
import time
from typing import NamedTuple

from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message

from molmoact_msgs.msg import SafetyStatus, SimState

from ..evaluation.judge import TableState
from ..evaluation.meter import StreamMeter
from ..replay.bag import BagWriter
from .client import CellClient
from .topics import IMAGES, STATES, VITAL, type_name

# CDR: 4 bytes of encapsulation, then sec and nanosec of the first field where that is a Header or a Time.
_STAMP = struct.Struct("<iI")
_STAMPLESS = ("overlay/markers",)


class Verdicts(NamedTuple):
    """Commands by verdict since the supervisor was configured."""

    passed: int
    limited: int
    held: int
    stopped: int


class Observer(CellClient):
    """A cell client that listens; `pictures` also watches the image topics."""

    def __init__(self, name: str = "observer", namespace: str = "", pictures: bool = False):
        super().__init__(name, namespace)
        self._types = {**STATES, **IMAGES}
        self.meters = {}
        self._latest, self._listeners = {}, {}
        self._clock_ns = None
        self._bag, self._bag_lock = None, threading.Lock()
        for topic in (*STATES, *IMAGES) if pictures else VITAL:
            self._watch(topic)

    def close(self) -> None:
        """Complete the bag and leave the graph."""
        self.stop_recording()
        super().close()

    # Watching ----------------------------------------------------------------------------------------------------

    def _watch(self, topic: str) -> None:
        msg_type, profile = self._types[topic]
        self.meters[topic] = StreamMeter()
        self._listeners[topic] = []
        self._node.create_subscription(msg_type, topic, lambda data: self._take(topic, data), profile, raw=True)

    def listen(self, topic: str, callback) -> None:
        """Call `callback(message)` for every message of a watched topic, in the observer's thread."""
        self._listeners[topic].append(callback)

    def unlisten(self, topic: str, callback) -> None:
        """Undo `listen`."""
        self._listeners[topic].remove(callback)

    def _take(self, topic: str, data: bytes) -> None:
        stamp_ns = None
        if topic not in _STAMPLESS:
            sec, nanosec = _STAMP.unpack_from(data, 4)
            stamp_ns = sec * 10**9 + nanosec
        if topic == "/clock":
            self._clock_ns = stamp_ns
        age_ms = float("nan") if stamp_ns is None else (self.now_ns() - stamp_ns) / 1e6
        self.meters[topic].add(time.monotonic(), age_ms)
        self._latest[topic] = data
        if self._bag is not None:
            self._record(topic, data)
        if self._listeners[topic]:
            message = deserialize_message(data, self._types[topic][0])
            for callback in tuple(self._listeners[topic]):
                callback(message)

    def now_ns(self) -> int:
        """ROS time: the simulator's clock once it was heard, the system's before and on a real robot."""
        return time.time_ns() if self._clock_ns is None else self._clock_ns

    def latest(self, topic: str):
        """Return the newest message, decoded, or None."""
        data = self._latest.get(topic)
        return None if data is None else deserialize_message(data, self._types[topic][0])

    def truth(self) -> TableState | None:
        """Return the simulator's true state, or None before the first one."""
        message = self.latest("sim/state")
        return None if message is None else table_state(message)

    def verdicts(self) -> Verdicts:
        """Return the supervisor's counts; zeros before its first status."""
        status = self.latest("safety/status") or SafetyStatus()
        return Verdicts(status.passed, status.limited, status.held, status.stopped)

    # Recording ---------------------------------------------------------------------------------------------------

    def start_recording(self, path) -> None:
        """Record every watched topic into a new bag folder, stamped with the wall time of arrival."""
        bag = BagWriter(path)
        for topic in self.meters:
            msg_type, profile = self._types[topic]
            reliable = profile.reliability == ReliabilityPolicy.RELIABLE
            bag.add_topic(self._resolve(topic), type_name(msg_type), reliable, depth=profile.depth)
        self._bag = bag

    def stop_recording(self) -> None:
        """Complete the bag, if one is being written."""
        with self._bag_lock:
            bag, self._bag = self._bag, None
            if bag is not None:
                bag.close()

    def _record(self, topic: str, data: bytes) -> None:
        with self._bag_lock:
            if self._bag is not None:
                self._bag.write(self._resolve(topic), time.time_ns(), data)

    def _resolve(self, topic: str) -> str:
        return self._node.resolve_topic_name(topic)

def table_state(message: SimState) -> TableState:
    """Convert the simulator's true state."""
    stamp = message.header.stamp
    centres = [(p.position.x, p.position.y, p.position.z) for p in message.object_poses]
    tip = message.ee.position
    return TableState(
        stamp_ns=stamp.sec * 10**9 + stamp.nanosec,
        seed=message.seed,
        q=message.q,
        dq=message.dq,
        tip=(tip.x, tip.y, tip.z),
        objects=dict(zip(message.object_names, centres)),
        real_time_factor=message.real_time_factor,
    )
