"""Bags: what is written is read back by independent readers, bytes and all."""

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from molmoact_ros.errors import ConfigError, MissingPart
from molmoact_ros.replay.bag import BagWriter, message_types, read

STATUS = "molmoact_msgs/msg/SafetyStatus"


def _status(types, sequence: int):
    cls = types.types
    stamp = cls["builtin_interfaces/msg/Time"](sec=1, nanosec=sequence)
    header = cls["std_msgs/msg/Header"](stamp=stamp, frame_id="base")
    counts = dict(passed=sequence, limited=0, held=0, stopped=0)
    message = cls[STATUS](
        header=header, state=1, verdict=0, reason="", value=float("nan"), bound=0.5, age=0.1, **counts
    )
    return bytes(types.serialize_cdr(message, STATUS))


@pytest.fixture
def bag(tmp_path):
    types = message_types()
    sent = [_status(types, k) for k in range(50)]
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/safety/status", STATUS, reliable=True, latched=True, depth=1)
        for k, data in enumerate(sent):
            writer.write("/safety/status", 1_000 + k, data)
    return tmp_path / "bag", sent


def test_read_back_in_order(bag):
    path, sent = bag
    records = list(read(path))
    assert [r.stamp_ns for r in records] == [1_000 + k for k in range(len(sent))]
    assert [r.message.passed for r in records] == list(range(len(sent)))
    assert records[0].topic == "/safety/status" and records[0].type_name == STATUS


def test_rosbags_reader_gives_the_same_bytes_and_qos(bag):
    path, sent = bag
    with Reader(path) as reader:
        assert [bytes(data) for _, _, data in reader.messages()] == sent
        (connection,) = reader.connections
        assert connection.ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
        assert connection.digest.startswith("RIHS01_")


def test_mcap_reader_finds_the_definition_and_an_index(bag):
    path, sent = bag
    with open(path / "bag.mcap", "rb") as stream:
        summary = make_reader(stream).get_summary()
    (schema,) = summary.schemas.values()
    assert schema.name == STATUS and "uint64 passed" in schema.data.decode()
    assert summary.statistics.message_count == len(sent)
    assert summary.chunk_indexes


def test_image_survives(tmp_path):
    types = message_types()
    cls, name = types.types, "sensor_msgs/msg/Image"
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    header = cls["std_msgs/msg/Header"](cls["builtin_interfaces/msg/Time"](3, 4), "camera")
    image = cls[name](header, 24, 32, "rgb8", 0, 96, pixels.ravel())
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/camera", name, reliable=False)
        writer.write("/camera", 5, bytes(types.serialize_cdr(image, name)))
    (record,) = read(tmp_path / "bag", topics=["/camera"])
    assert np.array_equal(record.message.data.reshape(24, 32, 3), pixels)
    assert list(read(tmp_path / "bag", topics=["/other"])) == []


def test_empty_bag_is_readable(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/safety/status", STATUS)
    assert list(read(tmp_path / "bag")) == []


def test_refusals_say_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="another folder"):
        BagWriter(tmp_path)
    with pytest.raises(MissingPart, match="metadata.yaml"):
        list(read(tmp_path))
    with BagWriter(tmp_path / "bag") as writer, pytest.raises(ConfigError, match="no_such"):
        writer.add_topic("/x", "no_such/msg/Thing")
