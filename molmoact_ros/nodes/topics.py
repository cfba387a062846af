"""The topics of a cell that are worth watching and recording: name -> (type, QoS of the subscriber)."""

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, WrenchStamped
from molmoact_msgs.msg import Command, DepthTokens, Plan, RobotState, SafetyStatus, SimState
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from visualization_msgs.msg import MarkerArray

from . import qos

# Pictures: only watched while somebody records or draws, because they are most of the bytes.
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
    "control/command": (Command, qos.STATE),
    "safety/command": (Command, qos.STATE),
    "safety/status": (SafetyStatus, qos.STATE),
    "overlay/markers": (MarkerArray, qos.STATE),
    "sim/state": (SimState, qos.STATE),
    "/diagnostics": (DiagnosticArray, qos.EVENT),
}
# What happens in every tick of the cell; enough to judge an episode.
VITAL = ("/clock", "reasoning/plan", "safety/status", "sim/state")


def type_name(msg_type) -> str:
    """Return the name that bags use: 'sensor_msgs/msg/Image'."""
    package, kind, _ = msg_type.__module__.split(".", 2)
    return f"{package}/{kind}/{msg_type.__name__}"
