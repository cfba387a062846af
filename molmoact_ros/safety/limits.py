"""The limits of one arm in one cell, worked out once: joints with margins, box, table, the shape of the hand."""

import numpy as np

from ..geometry import SerialChain
from ..types import ArmProfile
from .config import SafetyConfig

# Points of the Franka hand in the end-effector frame [m] (Franka hand: body 63 x 205 mm that ends 37 mm above the
# point between the fingertips; fingers that end 9 mm below it, up to 40 mm apart on each side, with tips 28 mm wide).
HAND_POINTS = np.array(
    [[x, y, 0.009] for x in (-0.014, 0.014) for y in (-0.055, 0.055)]
    + [[x, y, -0.037] for x in (-0.032, 0.032) for y in (-0.103, 0.103)]
)


class Limits:
    """Joint limits with margin, allowed speeds, and how far a tip pose is outside of the allowed space."""

    def __init__(self, config: SafetyConfig, profile: ArmProfile):
        self.chain = SerialChain(profile.dh, profile.T_flange_ee)
        self.q_low = profile.q_min + config.joint_margin_rad
        self.q_high = profile.q_max - config.joint_margin_rad
        self.dq_max = profile.dq_max * config.joint_speed_fraction
        self.dq_hard = np.array(profile.dq_max)
        self.gripper_max_m = profile.gripper_max_width_m
        self.box_low, self.box_high = np.array(config.workspace_min_m), np.array(config.workspace_max_m)
        self._floor = config.table_z_m + config.table_clearance_m
        self._joint_brake = config.joint_brake
        self._offset, self._slope, self._stop_low, self._stop_high = profile.dq_near.T
        self._near_share = 1.0 - config.near_margin

    def outside_box(self, T) -> np.ndarray:
        """Return the shortest shift (3,) [m] that brings the tip of T_base_ee into the box; zero inside."""
        tip = T[:3, 3]
        return np.minimum(np.maximum(tip, self.box_low), self.box_high) - tip

    def below_table(self, T) -> float:
        """Return how far [m] the lowest point of the hand is below the allowed height; negative above it."""
        return self._floor - float((HAND_POINTS @ T[2, :3]).min()) - float(T[2, 3])

    def outside(self, T) -> float:
        """Return how far [m] the hand is outside of what is allowed, 0 inside."""
        shift = self.outside_box(T)
        return max(float(np.sqrt(shift @ shift)), self.below_table(T), 0.0)

    def outside_joints(self, q) -> float:
        """Return how far [rad] the worst joint is beyond its limit with margin, 0 inside."""
        return max(float(np.maximum(self.q_low - q, q - self.q_high).max()), 0.0)

    def allowed_dq(self, q, direction) -> np.ndarray:
        """Return the speed (7,) [rad/s] that each joint may have at q.

        Towards a limit no more than it can brake, and less than the arm itself allows there (types.ArmProfile.dq_near).
        """
        ahead = direction > 0
        room = np.maximum(np.where(ahead, self.q_high - q, q - self.q_low), 0.0)
        way = np.maximum(np.where(ahead, self._stop_high - q, q - self._stop_low), 0.0)
        near = np.maximum(np.sqrt(self._slope * way) - self._offset, 0.0) * self._near_share
        return np.minimum(np.minimum(self.dq_max, near), np.sqrt(2 * self._joint_brake * room))
