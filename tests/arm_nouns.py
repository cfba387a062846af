"""Nouns for tests of control and safety, and an arm that follows commands with a lag."""

import numpy as np

from molmoact_ros.arms.profile import FR3
from molmoact_ros.control.config import ControlConfig
from molmoact_ros.control.kinematics import InverseKinematics
from molmoact_ros.geometry import SerialChain
from molmoact_ros.safety.config import SafetyConfig
from molmoact_ros.types import ActionChunk, Command, DepthTokens, Plan, RobotState, Trace

CHAIN = SerialChain(FR3.dh, FR3.T_flange_ee)
START_NS = 1_000_000_000
TICK_NS = 10_000_000
BOX = {"workspace_min_m": (0.25, -0.4, 0.005), "workspace_max_m": (0.75, 0.4, 0.7), "table_z_m": 0.0}
DOWN = (np.pi, 0.0, 0.0)


def safety_config(**changes) -> SafetyConfig:
    """A tabletop cell."""
    return SafetyConfig(**{**BOX, "max_tip_speed": 0.5, "joint_speed_fraction": 0.65, **changes})


def state(now_ns: int, q=FR3.home_q, dq=np.zeros(7), width_m: float = 0.08) -> RobotState:
    """The arm at joint angles q."""
    return RobotState(now_ns, q, dq, CHAIN.pose(q), width_m)


def rows(points, grippers=None) -> np.ndarray:
    """Rows of a chunk with the hand pointing down: (N, 7)."""
    points = np.atleast_2d(points)
    grippers = np.ones(len(points)) if grippers is None else grippers
    return np.column_stack([points, np.tile(DOWN, (len(points), 1)), grippers])


def plan(plan_id: int, stamp_ns: int, actions, convention: str = "absolute_base", dt_s: float = 0.2) -> Plan:
    """A plan around a chunk."""
    return Plan(
        plan_id,
        "pick up the red cube",
        DepthTokens(stamp_ns, [[0]], 128, "sensor"),
        Trace(stamp_ns, [[10.0, 10.0]], (320, 240), "model"),
        ActionChunk(stamp_ns, dt_s, actions, convention),
        {},
    )


def joint_command(now_ns: int, q, sequence: int = 1, width_m: float = 0.08, stamp_ns: int | None = None) -> Command:
    """A joint setpoint computed now."""
    stamp_ns = now_ns if stamp_ns is None else stamp_ns
    return Command(stamp_ns, now_ns, sequence, 1, "joint", np.asarray(q, float)[None], [width_m])


class LaggingArm:
    """An arm that goes a fixed share of the way to its target in every tick, and stays where it is on a hold."""

    def __init__(self, share: float = 0.15, q=FR3.home_q):
        self._share, self.q, self.dq = share, np.array(q), np.zeros(7)
        self._kinematics = InverseKinematics(FR3, ControlConfig())

    def state(self, now_ns: int) -> RobotState:
        """Measured state."""
        return state(now_ns, self.q, self.dq)

    @property
    def tip(self) -> np.ndarray:
        """Position of the tip [m]."""
        return CHAIN.pose(self.q)[:3, 3]

    def apply(self, command: Command) -> None:
        """Move for one tick."""
        target = self.q
        if command.space == "joint":
            target = command.targets[0]
        elif command.space == "ee":
            target = self._kinematics.solve(command.targets[0, :3], command.targets[0, 3:], self.q, 10).q
        step = self._share * (target - self.q)
        self.q, self.dq = self.q + step, step / (TICK_NS * 1e-9)
