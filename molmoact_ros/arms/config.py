"""Options of the arm driver. The defaults are those of a real robot: dry run, 5 % speed."""

from dataclasses import dataclass

from ..config import REQUIRED, option


@dataclass(frozen=True)
class ArmConfig:
    """How the driver reaches its arm and how freely it may move it."""

    robot_ip: str = option(REQUIRED, "address of the robot's control interface (FCI)")
    arm_name: str = option("fr3", "name of the arm in states and commands")
    dry_run: bool = option(True, "everything but motion")
    realtime: bool = option(True, "ask for a real-time kernel; the simulated robot needs none")
    velocity_factor: float = option(0.05, "share of the arm's velocity limits that motions may use", "", 0.01, 1.0)
    acceleration_factor: float = option(0.1, "share of its acceleration limits", "", 0.01, 1.0)
    jerk_factor: float = option(0.1, "share of its jerk limits", "", 0.01, 1.0)
    watchdog_s: float = option(0.1, "come to rest when no command arrived for so long", "s", 0.02, 0.5)
    state_hz: float = option(125.0, "rate of the published state", "Hz", 20.0, 500.0)
    auto_recover: bool = option(False, "leave a robot error by itself; false: a person calls arm/recover")
    collision_torque_nm: float = option(40.0, "joint torque at which the robot stops by itself", "N m", 5.0, 100.0)
    collision_force_n: float = option(40.0, "tip force at which the robot stops by itself", "N", 5.0, 100.0)
    grasp_force_n: float = option(30.0, "force of a closing gripper", "N", 1.0, 70.0)
    gripper_speed: float = option(0.1, "speed of the fingers", "m/s", 0.01, 0.15)
    connect_timeout_s: float = option(3.0, "give up connecting after", "s", 0.5, 30.0)
