"""Nouns to messages and back, named after the noun; nothing else in the package knows the fields of a message.

Malformed messages raise InvalidData, which the shell counts and drops.
"""

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from molmoact_msgs import msg as m

from .. import types as t
from .convert_arrays import (  # noqa: F401  this file is the one door to all conversions
    camera_info_to_msg,
    depth_from_msg,
    depth_to_msg,
    grid,
    header,
    image_from_msg,
    image_to_msg,
    intrinsics_from_msg,
    packed,
    pose_from_msg,
    pose_to_msg,
    stamp_ns,
    stamp_to_msg,
    transform_from_msg,
    transform_to_msg,
    wrench_to_msg,
)

_COUNTS = ("tokens", "passes", "drafted", "accepted")


def robot_state_to_msg(state: t.RobotState, arm_name="fr3", at_rest=False, ready=True, message="") -> m.RobotState:
    """Convert a RobotState and what the driver knows besides."""
    msg = m.RobotState(header=header(state.stamp_ns), arm_name=arm_name, at_rest=bool(at_rest), ready=bool(ready))
    msg.q, msg.dq, msg.ee, msg.message = state.q, state.dq, pose_to_msg(state.T_base_ee), message
    msg.gripper_width, msg.wrench = float(state.gripper_width_m), wrench_to_msg(state.wrench)
    return msg


def robot_state_from_msg(msg: m.RobotState) -> t.RobotState:
    """Return the RobotState."""
    force, torque = msg.wrench.force, msg.wrench.torque
    wrench = [force.x, force.y, force.z, torque.x, torque.y, torque.z]
    return t.RobotState(stamp_ns(msg), msg.q, msg.dq, pose_from_msg(msg.ee), msg.gripper_width, wrench)


def depth_tokens_to_msg(tokens: t.DepthTokens, frame_id: str = "camera") -> m.DepthTokens:
    """Convert DepthTokens."""
    rows, cols = tokens.codes.shape
    msg = m.DepthTokens(header=header(tokens.stamp_ns, frame_id), rows=rows, cols=cols, source=tokens.source)
    msg.codebook_size, msg.codes = tokens.codebook_size, packed("H", tokens.codes)
    return msg


def depth_tokens_from_msg(msg: m.DepthTokens) -> t.DepthTokens:
    """Return DepthTokens."""
    codes = grid(msg.codes, msg.rows, msg.cols, "depth tokens")
    return t.DepthTokens(stamp_ns(msg), codes, msg.codebook_size, msg.source)


def trace_to_msg(trace: t.Trace, frame_id: str = "camera") -> m.Trace:
    """Convert a Trace."""
    width, height = trace.image_size
    msg = m.Trace(header=header(trace.stamp_ns, frame_id), image_width=width, image_height=height, author=trace.author)
    msg.u, msg.v = packed("f", trace.points[:, 0]), packed("f", trace.points[:, 1])
    return msg


def trace_from_msg(msg: m.Trace) -> t.Trace:
    """Return a Trace."""
    points = np.column_stack([np.array(msg.u), grid(msg.v, 1, len(msg.u), "a trace")[0]])
    return t.Trace(stamp_ns(msg), points, (msg.image_width, msg.image_height), msg.author)


def action_chunk_to_msg(chunk: t.ActionChunk) -> m.ActionChunk:
    """Convert an ActionChunk."""
    rows, cols = chunk.actions.shape
    msg = m.ActionChunk(header=header(chunk.stamp_ns), dt=float(chunk.dt_s), rows=rows, cols=cols)
    msg.actions, msg.convention, msg.arm_names = packed("d", chunk.actions), chunk.convention, list(chunk.arm_names)
    return msg


def action_chunk_from_msg(msg: m.ActionChunk) -> t.ActionChunk:
    """Return an ActionChunk; values may be NaN, the receiver judges them."""
    actions = grid(msg.actions, msg.rows, msg.cols, "an action chunk")
    return t.ActionChunk(stamp_ns(msg), msg.dt, actions, msg.convention, tuple(msg.arm_names))


def plan_to_msg(plan: t.Plan, frame_id: str = "camera") -> m.Plan:
    """Convert a Plan."""
    msg = m.Plan(header=header(plan.stamp_ns, frame_id), plan_id=plan.plan_id, instruction=plan.instruction)
    msg.depth_tokens = depth_tokens_to_msg(plan.depth_tokens, frame_id)
    msg.trace, msg.chunk = trace_to_msg(plan.trace, frame_id), action_chunk_to_msg(plan.chunk)
    msg.latency_names = list(plan.latency_ms)
    msg.latency_ms = packed("f", list(plan.latency_ms.values()))
    msg.section_names = list(plan.costs)
    for name in _COUNTS:
        setattr(msg, f"section_{name}", packed("I", [getattr(cost, name) for cost in plan.costs.values()]))
    return msg


def refusal_to_msg(refusal: t.Refusal, frame_id: str = "camera") -> m.Plan:
    """Convert a Refusal to a Plan message without a plan."""
    msg = m.Plan(header=header(refusal.stamp_ns, frame_id), instruction=refusal.instruction)
    msg.refusal, msg.refusal_detail = refusal.name, refusal.detail
    return msg


def plan_from_msg(msg: m.Plan) -> t.Plan | t.Refusal:
    """Return the Plan or the Refusal."""
    if msg.refusal:
        return t.Refusal(stamp_ns(msg), msg.refusal, msg.refusal_detail, msg.instruction)
    latency_ms = dict(zip(msg.latency_names, (float(v) for v in msg.latency_ms)))
    counts = zip(*(map(int, getattr(msg, f"section_{name}")) for name in _COUNTS))
    costs = {name: t.SectionCost(latency_ms.get(name, 0.0), *row) for name, row in zip(msg.section_names, counts)}
    tokens, trace = depth_tokens_from_msg(msg.depth_tokens), trace_from_msg(msg.trace)
    return t.Plan(msg.plan_id, msg.instruction, tokens, trace, action_chunk_from_msg(msg.chunk), latency_ms, costs)


def command_to_msg(command: t.Command) -> m.Command:
    """Convert a Command."""
    msg = m.Command(header=header(command.stamp_ns), issued=stamp_to_msg(command.issued_ns), space=command.space)
    msg.sequence, msg.plan_id, msg.arm_names = command.sequence, command.plan_id, list(command.arm_names)
    msg.targets, msg.gripper_width = packed("d", command.targets), packed("d", command.gripper_width_m)
    return msg


def command_from_msg(msg: m.Command) -> t.Command:
    """Return the Command; targets may be NaN, the receiver judges them."""
    return t.Command(
        stamp_ns(msg),
        stamp_ns(msg.issued),
        msg.sequence,
        msg.plan_id,
        msg.space,
        grid(msg.targets, len(msg.arm_names), 7, "command targets"),
        msg.gripper_width,
        tuple(msg.arm_names),
    )


def frame_to_msg(frame: t.Frame, tokens: t.DepthTokens | None, frame_id: str = "camera") -> m.Frame:
    """Convert a Frame and the tokens of its depth; its second image, if any, is the wrist's."""
    images = list(frame.images.values())
    msg = m.Frame(header=header(frame.stamp_ns, frame_id), base_camera=transform_to_msg(frame.T_base_camera))
    msg.color = image_to_msg(images[0], frame.stamp_ns, frame_id)
    msg.depth = depth_to_msg(frame.depth_m, frame.stamp_ns, frame_id)
    if len(images) > 1:
        msg.wrist = image_to_msg(images[1], frame.stamp_ns, "wrist")
    height, width = images[0].shape[:2]
    msg.camera_info = camera_info_to_msg(frame.K, width, height, frame.stamp_ns, frame_id)
    msg.robot = robot_state_to_msg(frame.robot)
    if tokens is not None:
        msg.depth_tokens = depth_tokens_to_msg(tokens, frame_id)
    return msg


def frame_from_msg(msg: m.Frame) -> t.Frame:
    """Return the Frame, images named 'front' and 'wrist'. Its tokens: depth_tokens_from_msg(msg.depth_tokens)."""
    images = {"front": image_from_msg(msg.color)}
    if msg.wrist.width:
        images["wrist"] = image_from_msg(msg.wrist)
    K, T_base_camera = intrinsics_from_msg(msg.camera_info), transform_from_msg(msg.base_camera)
    return t.Frame(stamp_ns(msg), images, depth_from_msg(msg.depth), K, T_base_camera, robot_state_from_msg(msg.robot))


def verdict_to_msg(checkpoint: str, checks) -> DiagnosticStatus:
    """Return the gate's checks, all of them passed, as a message."""
    values = [KeyValue(key=check.name, value=check.detail) for check in checks]
    return DiagnosticStatus(level=DiagnosticStatus.OK, name="checkpoint gate", message=checkpoint, values=values)
