"""Limits of the supervisor. Where the cell decides (box, table) there is no default; everywhere else it is careful."""

from dataclasses import dataclass

from ..config import REQUIRED, option
from ..errors import ConfigError


@dataclass(frozen=True)
class SafetyConfig:
    """What a command must satisfy. Lengths in the base frame of the arm; "tip" is the point between the fingertips."""

    workspace_min_m: tuple[float, float, float] = option(
        REQUIRED, "lower corner of the box for the tip", "m", -2.0, 2.0
    )
    workspace_max_m: tuple[float, float, float] = option(
        REQUIRED, "upper corner of the box for the tip", "m", -2.0, 2.0
    )
    table_z_m: float = option(REQUIRED, "height of the table in the base frame", "m", -1.0, 2.0)
    table_clearance_m: float = option(0.005, "distance of fingers and hand from the table", "m", 0.0, 0.2)
    arm_name: str = option("fr3", "the arm that is judged")
    command_space: str = option("joint", "the only space of targets that is accepted", choices=("joint", "ee"))

    max_tip_speed: float = option(0.25, "speed of the tip", "m/s", 0.01, 2.0)
    max_turn_speed: float = option(1.0, "angular speed of the tip, for end-effector commands", "rad/s", 0.05, 3.0)
    joint_speed_fraction: float = option(0.35, "share of the arm's joint speed limits", "", 0.01, 1.0)
    joint_margin_rad: float = option(0.05, "distance from the joint limits", "rad", 0.01, 0.5)
    joint_brake: float = option(2.0, "deceleration that a joint can count on before its limit", "rad/s^2", 0.1, 10.0)
    near_margin: float = option(
        0.1, "share by which joints stay below the speeds that the arm allows near its limits", "", 0.0, 0.9
    )
    max_lead_rad: float = option(0.35, "how far a joint target may be ahead of the measured joint", "rad", 0.02, 1.0)
    max_lead_m: float = option(0.12, "the same for the tip, for end-effector commands", "m", 0.005, 0.5)
    ramp_s: float = option(0.3, "time in which the allowed speed grows back after a hold", "s", 0.0, 2.0)

    max_command_rate_hz: float = option(400.0, "hold when more commands come", "Hz", 50.0, 5000.0)
    gripper_turns: int = option(4, "changes between opening and closing within gripper_window_s", "", 1, 100)
    gripper_window_s: float = option(
        3.0, "more changes than gripper_turns in this time: the width stays", "s", 0.1, 60.0
    )

    max_command_age_s: float = option(0.1, "hold when the command was computed longer ago", "s", 0.01, 0.5)
    max_observation_age_s: float = option(2.0, "hold when the picture behind the command is older", "s", 0.1, 10.0)
    max_state_age_s: float = option(0.15, "hold when the arm state is older", "s", 0.01, 0.5)
    max_future_s: float = option(0.05, "hold when a stamp is ahead of the clock by more", "s", 0.0, 0.5)
    command_silence_s: float = option(0.1, "hold when the controller is silent for longer", "s", 0.02, 0.5)
    arm_silence_s: float = option(0.12, "hold when the arm is silent for longer", "s", 0.02, 0.5)
    perception_silence_s: float = option(0.1, "hold when perception's heartbeat is silent for longer", "s", 0.02, 0.5)
    reasoning_silence_s: float = option(0.1, "hold when reasoning's heartbeat is silent for longer", "s", 0.02, 0.5)
    resume_after_s: float = option(0.05, "all must be well for this long before the arm moves again", "s", 0.0, 5.0)

    rest_speed: float = option(0.05, "joints below this speed are at rest; needed for a reset", "rad/s", 0.001, 0.5)
    arm_on_start: bool = option(False, "arm without being asked once the arm's state is there (simulated cell)")

    def __post_init__(self):
        if any(low >= high for low, high in zip(self.workspace_min_m, self.workspace_max_m)):
            raise ConfigError(
                f"workspace from {self.workspace_min_m} to {self.workspace_max_m}",
                "every value of workspace_min_m below that of workspace_max_m",
                "Correct the box in the configuration of the cell.",
            )
