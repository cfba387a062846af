"""Options of the controller. The speed defaults are careful; a cell raises them on purpose."""

from dataclasses import dataclass

from ..config import option


@dataclass(frozen=True)
class ControlConfig:
    """How chunks become setpoints. Speeds and accelerations bound the setpoint, the supervisor bounds it again."""

    rate_hz: float = option(100.0, "setpoints per second", "Hz", 20.0, 500.0)
    command_space: str = option("joint", "what the arm is given: joint angles or tip poses", choices=("joint", "ee"))
    arm_name: str = option("fr3", "name of the arm in plans and commands")

    max_plan_age_s: float = option(2.0, "an older observation is no reason to start a chunk", "s", 0.1, 10.0)
    max_state_age_s: float = option(0.2, "hold when the arm state is older", "s", 0.02, 1.0)
    commit_s: float = option(0.0, "time for which a running course is kept after a new plan came", "s", 0.0, 0.5)
    blend_s: float = option(0.2, "time in which the course passes over to the new plan", "s", 0.01, 1.0)
    lookahead_s: float = option(
        0.2, "how far setpoints run ahead of the course: the lag from setpoint to arm", "s", 0.0, 1.0
    )
    settle_s: float = option(0.5, "time to reach the last row after it was due, before the hold", "s", 0.0, 2.0)
    plausible_reach_m: float = option(1.5, "a chunk with a position farther from the base is refused", "m", 0.2, 5.0)

    max_tip_speed: float = option(0.15, "speed of the tip", "m/s", 0.01, 2.0)
    max_tip_acceleration: float = option(1.0, "acceleration of the tip", "m/s^2", 0.1, 10.0)
    max_turn_speed: float = option(0.8, "angular speed of the tip", "rad/s", 0.05, 3.0)
    max_turn_acceleration: float = option(4.0, "angular acceleration of the tip", "rad/s^2", 0.2, 20.0)
    joint_speed_fraction: float = option(0.3, "share of the arm's joint speed limits that setpoints use", "", 0.01, 1.0)
    joint_acceleration_fraction: float = option(0.5, "share of the arm's joint acceleration limits", "", 0.01, 1.0)
    gain_hz: float = option(12.0, "how fast a setpoint closes the distance to its course", "1/s", 1.0, 30.0)
    max_lead_m: float = option(0.06, "how far a setpoint may run ahead of the measured tip", "m", 0.005, 0.3)
    max_lead_rad: float = option(0.2, "the same for every joint and for the rotation of the tip", "rad", 0.02, 1.0)

    gripper_threshold: float = option(0.5, "gripper values above it mean open", "", 0.0, 1.0)
    gripper_open_m: float = option(0.08, "width of the open gripper", "m", 0.0, 0.2)
    gripper_closed_m: float = option(0.0, "width that is asked for when closing", "m", 0.0, 0.2)

    gripper_travel_s: float = option(0.4, "time the fingers need from open to closed", "s", 0.0, 5.0)
    gripper_wait_s: float = option(1.2, "longest wait for a plan that has seen what the fingers did", "s", 0.0, 10.0)

    joint_margin_rad: float = option(0.1, "setpoints keep this distance from the joint limits", "rad", 0.0, 0.5)
    ik_iterations: int = option(3, "steps of the inverse kinematics per setpoint", "", 1, 50)
    ik_damping: float = option(0.03, "damping of the inverse kinematics; a metre weighs like a radian", "", 1e-4, 1.0)
    ik_posture_gain: float = option(0.01, "share of the way to the home posture that a step goes", "", 0.0, 0.5)
