"""Bags: rosbag2 recordings in MCAP that `ros2 bag play`, Foxglove and the rosbags package read.

The writer takes messages as the CDR bytes that travelled: nothing is decoded, so recording is cheap and lossless.
Message definitions, molmoact_msgs included, are embedded: a bag can be read where this package was never installed.
"""

import os
from pathlib import Path
from typing import Iterator, NamedTuple

from ..errors import ConfigError, MissingPart, missing_package

try:
    from rosbags import interfaces
    from rosbags.highlevel import AnyReader
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore
except ImportError as error:
    raise missing_package("rosbags", "replay") from error

INTERFACE_PACKAGE = "molmoact_msgs"
# Metadata version 9 is what ROS 2 Jazzy writes.
_METADATA_VERSION = 9
_FOREVER = interfaces.QosTime(2147483647, 4294967295)


class Record(NamedTuple):
    """One recorded message: absolute topic, type name, receive stamp [ns, ROS time], decoded message."""

    topic: str
    type_name: str
    stamp_ns: int
    message: object


def interface_folder() -> Path:
    """Find the .msg files of molmoact_msgs: in the sourced ROS environment, else in the checkout."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    checkout = Path(__file__).resolve().parents[2] / "ros2_ws" / "src" / INTERFACE_PACKAGE
    for folder in [p / "share" / INTERFACE_PACKAGE for p in prefixes] + [checkout]:
        if (folder / "msg").is_dir():
            return folder / "msg"
    raise MissingPart(
        f"no message definitions of {INTERFACE_PACKAGE}", "a sourced workspace or a checkout", "Run: make build"
    )


def message_types(folder: Path | None = None):
    """Return a rosbags typestore of ROS 2 Jazzy with molmoact_msgs added from `folder`."""
    store = get_typestore(Stores.ROS2_JAZZY)
    added = {}
    for path in sorted((folder or interface_folder()).glob("*.msg")):
        added.update(get_types_from_msg(path.read_text(), f"{INTERFACE_PACKAGE}/msg/{path.stem}"))
    store.register(added)
    return store


class BagWriter:
    """Write one bag folder: `<path>/<name>.mcap` (zstd chunks) and `<path>/metadata.yaml`; close() completes both."""

    def __init__(self, path):
        """Open a new bag. ConfigError when the folder exists already."""
        self.path = Path(path)
        if self.path.exists():
            raise ConfigError(f"{self.path} exists", "a new folder for the bag", "Name another folder or move it.")
        self._types = message_types()
        self._topics = {}
        self._writer = Writer(self.path, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()

    def add_topic(self, topic: str, type_name: str, reliable: bool = True, latched: bool = False, depth: int = 10):
        """Announce an absolute topic before its first message; `ros2 bag play` offers it with this QoS."""
        if type_name not in self._types.fielddefs:
            raise ConfigError(
                f"message type '{type_name}' of {topic}", f"a Jazzy or {INTERFACE_PACKAGE} type", "Leave the topic out."
            )
        qos = _qos(reliable, latched, depth)
        self._topics[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._types, offered_qos_profiles=[qos]
        )

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Append one serialised message (CDR with its encapsulation header), received at `stamp_ns` of ROS time."""
        self._writer.write(self._topics[topic], stamp_ns, data)

    def close(self) -> None:
        """Write index and metadata."""
        if not any(self._writer.counts.values()):
            # An empty bag has no first stamp; 0 keeps metadata.yaml readable.
            self._writer.min_timestamp = 0
        self._writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _qos(reliable: bool, latched: bool, depth: int):
    return interfaces.Qos(
        history=interfaces.QosHistory.KEEP_LAST,
        depth=depth,
        reliability=interfaces.QosReliability.RELIABLE if reliable else interfaces.QosReliability.BEST_EFFORT,
        durability=interfaces.QosDurability.TRANSIENT_LOCAL if latched else interfaces.QosDurability.VOLATILE,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=interfaces.QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )


def read(path, topics=None) -> Iterator[Record]:
    """Yield the messages of a bag in order of their stamps; `topics` (absolute names) narrows them.

    Definitions come from the bag itself. MissingPart when there is no bag at `path`.
    """
    path = Path(path)
    if not (path / "metadata.yaml").is_file():
        raise MissingPart(f"no bag at {path}", "a folder with metadata.yaml", "Name the folder of a recording.")
    with AnyReader([path]) as reader:
        chosen = [c for c in reader.connections if topics is None or c.topic in topics]
        if not chosen:
            return
        for connection, stamp_ns, data in reader.messages(connections=chosen):
            yield Record(connection.topic, connection.msgtype, stamp_ns, reader.deserialize(data, connection.msgtype))
