"""Going home: the one motion that no plan causes. The operator asks for it; the supervisor judges it like any other."""

import numpy as np

from ..geometry import SerialChain, quaternion_from_rotation
from ..types import ArmProfile, RobotState
from .course import Pose

_LONGEST_NS = 20_000_000_000
_NEAR_M = 0.004
_NEAR_RAD = 0.05
_OPEN = 1.0


class Homing:
    """Want the home pose until the arm is there (tip and joints) or 20 s have passed; the gripper opens on arrival."""

    def __init__(self, profile: ArmProfile):
        T = SerialChain(profile.dh, profile.T_flange_ee).pose(profile.home_q)
        self._position, self._quaternion = T[:3, 3].copy(), quaternion_from_rotation(T[:3, :3])
        self._home_q = profile.home_q
        self._since_ns: int | None = None
        self.active = False

    def start(self) -> None:
        """Begin with the next tick."""
        self.active, self._since_ns = True, None

    def stop(self) -> None:
        """Give up."""
        self.active = False

    def wanted(self, now_ns: int, robot: RobotState) -> Pose:
        """Return the home pose; `active` turns false when the arm has arrived, or when it takes too long."""
        if self._since_ns is None:
            self._since_ns = now_ns
        tip_near = np.linalg.norm(robot.T_base_ee[:3, 3] - self._position) < _NEAR_M
        if tip_near and np.abs(robot.q - self._home_q).max() < _NEAR_RAD or now_ns - self._since_ns > _LONGEST_NS:
            self.active = False
        return Pose(self._position, self._quaternion, _OPEN if tip_near else None)
