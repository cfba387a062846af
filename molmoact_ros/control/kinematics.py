"""Inverse kinematics: damped least squares, warm started, with a pull towards the home posture."""

from dataclasses import dataclass

import numpy as np

from ..geometry import SerialChain, quaternion_from_rotation
from ..rotation import rotation_vector_between
from ..types import ArmProfile
from .config import ControlConfig

_POSITION_GOOD_M = 1e-4
_ROTATION_GOOD_RAD = 5e-4
# One step never goes farther than this, so that a distant target cannot throw the arm over its linearisation.
_MAX_STEP_RAD = 0.3


@dataclass(frozen=True)
class IkResult:
    """Joint angles (7,) [rad] and what is left of the error [m, rad]."""

    q: np.ndarray
    position_error_m: float
    rotation_error_rad: float


class InverseKinematics:
    """Follow a moving tip pose with joint angles that keep away from their limits."""

    def __init__(self, profile: ArmProfile, config: ControlConfig):
        self.chain = SerialChain(profile.dh, profile.T_flange_ee)
        self._low = profile.q_min + config.joint_margin_rad
        self._high = profile.q_max - config.joint_margin_rad
        self._home = np.clip(profile.home_q, self._low, self._high)
        self._damping = config.ik_damping**2 * np.eye(6)
        self._iterations, self._posture_gain = config.ik_iterations, config.ik_posture_gain

    def solve(self, position, quaternion, q_start, iterations: int = 0) -> IkResult:
        """Return joint angles whose tip is at `position` [m] and `quaternion`, started from q_start (7,).

        Total: an unreachable target leaves an error, it never raises. Needs finite input.
        """
        q = np.array(q_start, float)
        error = np.empty(6)
        for step in range((iterations or self._iterations) + 1):
            T, J = self.chain.pose_and_jacobian(q)
            error[:3] = position - T[:3, 3]
            error[3:] = rotation_vector_between(quaternion_from_rotation(T[:3, :3]), quaternion)
            left_m, left_rad = float(np.sqrt(error[:3] @ error[:3])), float(np.sqrt(error[3:] @ error[3:]))
            close = left_m < _POSITION_GOOD_M and left_rad < _ROTATION_GOOD_RAD
            # The first step is always taken: it carries the pull towards the home posture.
            if (close and step > 0) or step == (iterations or self._iterations):
                break
            q = self._step(q, J, error, posture=step == 0)
        return IkResult(q, left_m, left_rad)

    def tip(self, q) -> tuple[np.ndarray, np.ndarray]:
        """Return position (3,) [m] and quaternion (4,) of the tip."""
        T = self.chain.pose(q)
        return T[:3, 3].copy(), quaternion_from_rotation(T[:3, :3])

    def _step(self, q, J, error, posture: bool) -> np.ndarray:
        pseudo_inverse = np.linalg.solve(J @ J.T + self._damping, J).T
        dq = pseudo_inverse @ error
        if posture:
            pull = self._posture_gain * (self._home - q)
            dq += pull - pseudo_inverse @ (J @ pull)
        largest = np.abs(dq).max()
        if largest > _MAX_STEP_RAD:
            dq *= _MAX_STEP_RAD / largest
        return np.minimum(np.maximum(q + dq, self._low), self._high)
