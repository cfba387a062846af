"""Every noun survives the way through its message, and malformed messages are named, not crashed on."""

import time

import numpy as np
import pytest

pytestmark = pytest.mark.ros

from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402

from molmoact_ros.errors import InvalidData  # noqa: E402
from molmoact_ros.geometry import rotation_from_rpy, transform  # noqa: E402
from molmoact_ros.latency import SectionCost  # noqa: E402
from molmoact_ros.nodes import convert  # noqa: E402
from molmoact_ros.types import ActionChunk, Command, DepthTokens, Frame, Plan, Refusal, RobotState, Trace  # noqa: E402

RNG = np.random.default_rng(0)
STAMP = 1_700_000_000_123_456_789
POSE = transform(rotation_from_rpy([3.0, 0.1, -0.5]), [0.4, -0.2, 0.3])
STATE = RobotState(STAMP, RNG.normal(size=7), RNG.normal(size=7), POSE, 0.04, RNG.normal(size=6))
TOKENS = DepthTokens(STAMP, RNG.integers(0, 128, (10, 10)), 128, "model")
TRACE = Trace(STAMP, [[0.0, 255.0], [12.5, 7.25]], (320, 240), "operator")
CHUNK = ActionChunk(STAMP, 0.2, RNG.normal(size=(8, 7)), "absolute_base")
COSTS = {"prefill": SectionCost(12.5, 27, 1), "depth": SectionCost(40.0, 102, 31, 80, 62)}
LATENCY_MS = {"prefill": 12.5, "depth": 40.0, "total": 80.0}
PLAN = Plan(7, "pick up the red cube", TOKENS, TRACE, CHUNK, LATENCY_MS, COSTS)
COMMAND = Command(STAMP, STAMP + 5, 9, 7, "joint", RNG.normal(size=(1, 7)), [0.08])


def over_the_wire(msg):
    return deserialize_message(serialize_message(msg), type(msg))


def same(a, b):
    """Compare two nouns field by field."""
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, k), getattr(b, k)) for k in a.__dataclass_fields__)
    if isinstance(a, np.ndarray):
        return np.allclose(a, b, atol=1e-6, equal_nan=True)
    if hasattr(a, "keys"):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b


@pytest.mark.parametrize(
    "noun, to_msg, from_msg",
    [
        (STATE, convert.robot_state_to_msg, convert.robot_state_from_msg),
        (TOKENS, convert.depth_tokens_to_msg, convert.depth_tokens_from_msg),
        (TRACE, convert.trace_to_msg, convert.trace_from_msg),
        (CHUNK, convert.action_chunk_to_msg, convert.action_chunk_from_msg),
        (PLAN, convert.plan_to_msg, convert.plan_from_msg),
        (Refusal(STAMP, "no_target", "no red cube", "pick"), convert.refusal_to_msg, convert.plan_from_msg),
        (COMMAND, convert.command_to_msg, convert.command_from_msg),
    ],
    ids=lambda value: type(value).__name__,
)
def test_round_trip(noun, to_msg, from_msg):
    assert same(noun, from_msg(over_the_wire(to_msg(noun))))


@pytest.mark.parametrize("wrist", [True, False])
def test_frame_round_trip(wrist):
    images = {"front": RNG.integers(0, 256, (24, 32, 3), np.uint8)}
    if wrist:
        images["wrist"] = RNG.integers(0, 256, (12, 16, 3), np.uint8)
    depth = RNG.integers(100, 2000, (24, 32)).astype(np.float32) / 1000
    depth[0, 0] = np.nan
    K = np.array([[30.0, 0, 16], [0, 30.0, 12], [0, 0, 1]])
    frame = Frame(STAMP, images, depth, K, POSE, STATE)
    msg = over_the_wire(convert.frame_to_msg(frame, TOKENS))
    assert same(frame, convert.frame_from_msg(msg))
    assert same(TOKENS, convert.depth_tokens_from_msg(msg.depth_tokens))


@pytest.mark.parametrize("dtype, shape", [("u1", (4, 6, 3)), ("u1", (4, 6)), ("u2", (4, 6)), ("f4", (4, 6))])
def test_image_round_trip(dtype, shape):
    image = RNG.integers(0, 250, shape).astype(dtype)
    assert np.array_equal(image, convert.image_from_msg(over_the_wire(convert.image_to_msg(image, STAMP, "camera"))))


def test_image_with_padded_rows():
    msg = convert.image_to_msg(np.arange(8, dtype=np.uint16).reshape(2, 4), STAMP, "camera")
    padded = b"".join(bytes(msg.data[i * 8 : i * 8 + 8]) + b"??" for i in range(2))
    msg.step, msg.data = 10, padded
    assert convert.image_from_msg(msg).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_depth_without_reading_is_zero_on_the_wire():
    msg = convert.depth_to_msg(np.array([[np.nan, -1.0, 70.0, 0.5004]]), STAMP, "camera")
    assert np.frombuffer(msg.data, np.uint16).tolist() == [0, 0, 0, 500]


def test_nan_passes_through_a_chunk():
    chunk = ActionChunk(STAMP, 0.2, np.full((1, 7), np.nan), "absolute_base")
    assert not convert.action_chunk_from_msg(over_the_wire(convert.action_chunk_to_msg(chunk))).finite


def _malformed():
    plan = convert.plan_to_msg(PLAN)
    plan.chunk.rows = 3
    command = convert.command_to_msg(COMMAND)
    command.arm_names = ["left", "right"]
    state = convert.robot_state_to_msg(STATE)
    state.ee.orientation.w = float("nan")
    image = convert.image_to_msg(np.zeros((4, 6, 3), np.uint8), STAMP, "camera")
    image.height = 5
    bayer = convert.image_to_msg(np.zeros((4, 6), np.uint8), STAMP, "camera")
    bayer.encoding = "bayer_rggb8"
    trace = convert.trace_to_msg(TRACE)
    trace.u = trace.u[:1]
    yield "rows", convert.plan_from_msg, plan
    yield "arms", convert.command_from_msg, command
    yield "nan pose", convert.robot_state_from_msg, state
    yield "short image", convert.image_from_msg, image
    yield "encoding", convert.image_from_msg, bayer
    yield "u and v", convert.trace_from_msg, trace
    yield "empty", convert.plan_from_msg, type(plan)()
    yield "no intrinsics", convert.intrinsics_from_msg, convert.camera_info_to_msg(np.zeros((3, 3)), 4, 4, 0, "camera")


@pytest.mark.parametrize(
    "name, from_msg, msg", list(_malformed()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_malformed_messages_are_invalid_data(name, from_msg, msg):
    with pytest.raises(InvalidData):
        from_msg(msg)


def test_images_are_not_copied_element_by_element():
    image = np.zeros((480, 640, 3), np.uint8)
    start = time.perf_counter()
    for _ in range(10):
        convert.image_from_msg(convert.image_to_msg(image, STAMP, "camera"))
    # An element-wise check of one image takes 30 ms; bulk copies of ten take less than 10 ms. The bound is generous.
    assert time.perf_counter() - start < 0.25
