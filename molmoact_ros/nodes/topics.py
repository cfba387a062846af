"""The topics of a cell that are worth watching and recording, and how their messages become nouns."""

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, WrenchStamped
from molmoact_msgs.msg import ActionChunk, Command, DepthTokens, Plan, RobotState, SafetyStatus, SimState, Trace
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from visualization_msgs.msg import MarkerArray

from ..evaluation.observed import SafetyView, TableState, Verdicts
from . import qos
from .convert import command_from_msg, image_from_msg, plan_from_msg, robot_state_from_msg
from .convert import stamp_ns as stamp_of

# name -> (type, QoS of the subscriber). Pictures are most of the bytes: only watched to record or to draw.
IMAGES = {
    "camera/front/color/image_raw": (Image, qos.SENSOR),
    "camera/front/aligned_depth_to_color/image_raw": (Image, qos.SENSOR),
    "camera/wrist/color/image_raw": (Image, qos.SENSOR),
    "perception/depth_reconstruction": (Image, qos.SENSOR),
    "overlay/image": (Image, qos.SENSOR),
}
# perception/frame is left out on purpose: it repeats the camera topics and the robot state.
STATES = {
    "/clock": (Clock, qos.STATE),
    "camera/front/color/camera_info": (CameraInfo, qos.SENSOR),
    "camera/front/aligned_depth_to_color/camera_info": (CameraInfo, qos.SENSOR),
    "camera/wrist/color/camera_info": (CameraInfo, qos.SENSOR),
    "arm/state": (RobotState, qos.STATE),
    "arm/joint_states": (JointState, qos.STATE),
    "arm/ee_pose": (PoseStamped, qos.STATE),
    "arm/wrench": (WrenchStamped, qos.STATE),
    "perception/depth_tokens": (DepthTokens, qos.STATE),
    "reasoning/plan": (Plan, qos.EVENT),
    "reasoning/trace": (Trace, qos.EVENT),
    "reasoning/rows": (ActionChunk, qos.EVENT),
    "control/command": (Command, qos.STATE),
    "safety/command": (Command, qos.STATE),
    "safety/status": (SafetyStatus, qos.STATE),
    "overlay/markers": (MarkerArray, qos.STATE),
    "sim/state": (SimState, qos.STATE),
    "/diagnostics": (DiagnosticArray, qos.EVENT),
}
# Enough to judge an episode.
VITAL = ("/clock", "reasoning/plan", "safety/status", "safety/command", "sim/state")
STAMPLESS = ("overlay/markers",)

_STATES_BY_NUMBER = {
    SafetyStatus.DISARMED: "DISARMED",
    SafetyStatus.ACTIVE: "ACTIVE",
    SafetyStatus.HOLDING: "HOLDING",
    SafetyStatus.STOPPED: "STOPPED",
}


def table_state(message: SimState) -> TableState:
    """Convert the simulator's true state."""
    tip = message.ee.position
    centres = [(p.position.x, p.position.y, p.position.z) for p in message.object_poses]
    return TableState(
        stamp_ns=stamp_of(message.header),
        seed=message.seed,
        q=message.q,
        dq=message.dq,
        tip=(tip.x, tip.y, tip.z),
        gripper_width_m=message.gripper_width,
        objects=dict(zip(message.object_names, centres)),
        real_time_factor=message.real_time_factor,
    )


def safety_view(message: SafetyStatus) -> SafetyView:
    """Convert the supervisor's status."""
    verdicts = Verdicts(message.passed, message.limited, message.held, message.stopped)
    return SafetyView(_STATES_BY_NUMBER.get(message.state, f"state {message.state}"), message.reason, verdicts)


# Messages that listeners get as nouns; the rest as messages.
NOUNS = {
    "sim/state": table_state,
    "safety/status": safety_view,
    "safety/command": command_from_msg,
    "control/command": command_from_msg,
    "reasoning/plan": plan_from_msg,
    "arm/state": robot_state_from_msg,
    **dict.fromkeys(IMAGES, image_from_msg),
}


def type_name(msg_type) -> str:
    """Return the name that bags use: 'sensor_msgs/msg/Image'."""
    package, kind, _ = msg_type.__module__.split(".", 2)
    return f"{package}/{kind}/{msg_type.__name__}"
