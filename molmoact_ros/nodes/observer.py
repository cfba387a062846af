"""Watch a running cell from outside: rates, ages, truth, plans and verdicts; record it.

Messages are taken as bytes. Rate and age need 8 of them; a message is decoded only where somebody asked for it.
"""

import struct
import time

from rclpy.serialization import deserialize_message

from ..errors import InvalidData
from ..evaluation.meter import StreamMeter
from ..evaluation.observed import SafetyView, TableState
from .client import CellClient
from .recorder import Recorder
from .topics import IMAGES, NOUNS, STAMPLESS, STATES, VITAL

# CDR: 4 bytes of encapsulation, then sec and nanosec of the first field where that is a Header or a Time.
_STAMP = struct.Struct("<iI")


class Observer(CellClient):
    """A cell client that listens; `pictures` also watches the image topics. Listeners run in the observer's thread."""

    def __init__(self, name: str = "observer", namespace: str = "", pictures: bool = False):
        super().__init__(name, namespace)
        self._types = {**STATES, **IMAGES} if pictures else {topic: STATES[topic] for topic in VITAL}
        self.meters = {topic: StreamMeter() for topic in self._types}
        self.dropped = 0
        self._names = {topic: self._node.resolve_topic_name(topic) for topic in self._types}
        self._latest, self._listeners = {}, {topic: [] for topic in self._types}
        self._clock_ns, self._recorder = None, None
        for topic, (msg_type, profile) in self._types.items():
            self._node.create_subscription(msg_type, topic, self._taker(topic), profile, raw=True)

    def close(self) -> None:
        """Complete the bag and leave the graph."""
        self.stop_recording()
        super().close()

    def reset_meters(self) -> None:
        """Measure rates and ages from now on."""
        for meter in self.meters.values():
            meter.reset()

    def now_ns(self) -> int:
        """ROS time: the simulator's clock once it was heard, the system's before and on a real robot."""
        return time.time_ns() if self._clock_ns is None else self._clock_ns

    def listen(self, topic: str, callback) -> None:
        """Call `callback(noun)` for every message of a watched topic; a malformed one is counted in `dropped`."""
        self._listeners[topic].append(callback)

    def unlisten(self, topic: str, callback) -> None:
        """Undo `listen`."""
        self._listeners[topic].remove(callback)

    def latest(self, topic: str):
        """Return the newest message as a noun, or None."""
        data = self._latest.get(topic)
        return None if data is None else self._decode(topic, data)

    def truth(self) -> TableState | None:
        """Return the simulator's true state, or None before the first one."""
        return self.latest("sim/state")

    def safety(self) -> SafetyView | None:
        """Return the supervisor's newest status, or None before the first one."""
        return self.latest("safety/status")

    def start_recording(self, path) -> None:
        """Record every watched topic into a new bag folder."""
        topics = {self._names[topic]: self._types[topic] for topic in self._types}
        self._recorder = Recorder(path, topics)

    def stop_recording(self) -> None:
        """Complete the bag, if one is being written."""
        if self._recorder is not None:
            self._recorder.close()

    def _taker(self, topic: str):
        def take(data: bytes) -> None:
            self._measure(topic, data)
            self._latest[topic] = data
            if self._recorder is not None:
                self._recorder.write(self._names[topic], data)
            if self._listeners[topic]:
                self._tell(topic, data)

        return take

    def _measure(self, topic: str, data: bytes) -> None:
        age_ms = float("nan")
        if topic not in STAMPLESS:
            sec, nanosec = _STAMP.unpack_from(data, 4)
            stamp_ns = sec * 10**9 + nanosec
            if topic == "/clock":
                self._clock_ns = stamp_ns
            if stamp_ns:  # a hold without an observation behind it has none
                age_ms = (self.now_ns() - stamp_ns) / 1e6
        self.meters[topic].add(time.monotonic(), age_ms)

    def _tell(self, topic: str, data: bytes) -> None:
        try:
            noun = self._decode(topic, data)
        except InvalidData:
            self.dropped += 1
            return
        for callback in tuple(self._listeners[topic]):
            callback(noun)

    def _decode(self, topic: str, data: bytes):
        message = deserialize_message(data, self._types[topic][0])
        return NOUNS[topic](message) if topic in NOUNS else message
