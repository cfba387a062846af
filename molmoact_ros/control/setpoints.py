"""Setpoints that an arm can follow: bounded speed and acceleration, never far ahead of where the arm is."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..rotation import rotation_vector_between, turned
from ..types import ArmProfile
from .config import ControlConfig
from .kinematics import InverseKinematics

# Slower ticks than this are not made up for: the arm waits instead of jumping.
LONGEST_TICK_S = 0.05


@dataclass
class Setpoint:
    """The state of the generator: tip pose and velocity, joint angles and velocity, last wanted pose."""

    position: np.ndarray
    quaternion: np.ndarray
    q: np.ndarray
    velocity: np.ndarray
    turn_rate: np.ndarray
    dq: np.ndarray
    wanted_position: np.ndarray
    wanted_quaternion: np.ndarray


def at_rest(position, quaternion, q) -> Setpoint:
    """Start from a measured tip pose and joint angles."""
    return Setpoint(position, quaternion, np.array(q), np.zeros(3), np.zeros(3), np.zeros(7), position, quaternion)


def bounded(vector, largest: float):
    """Shorten a vector to a length."""
    length = sqrt(vector @ vector)
    return vector if length <= largest else vector * (largest / length)


def next_velocity(error, feed_forward, velocity, speed: float, acceleration: float, gain: float, dt_s: float):
    """Return the velocity of the next step towards a moving target.

    error: distance vector to the target. feed_forward: velocity of the target. The approach is never faster than what
    the acceleration can brake within the distance, so that a target that stands still is not overshot.
    """
    distance = sqrt(error @ error)
    if distance > 1e-9:
        approach = min(gain * distance, sqrt(1.6 * acceleration * distance))
        feed_forward = feed_forward + error * (approach / distance)
    wanted = bounded(feed_forward, speed)
    return velocity + bounded(wanted - velocity, acceleration * dt_s)


class SetpointGenerator:
    """Move a Setpoint towards wanted poses, one tick at a time."""

    def __init__(self, profile: ArmProfile, config: ControlConfig):
        self._config = config
        self._kinematics = InverseKinematics(profile, config)
        self._dq_max = profile.dq_max * config.joint_speed_fraction
        self._ddq_max = profile.ddq_max * config.joint_acceleration_fraction

    def advance(self, now: Setpoint, position, quaternion, measured, dt_s: float) -> None:
        """Move `now` one tick towards a wanted pose.

        measured: (position, quaternion, q) of the arm. Without progress of time nothing moves.
        """
        if dt_s <= 0.0:
            return
        dt_s = min(dt_s, LONGEST_TICK_S)
        before = now.position, now.quaternion
        self._move_tip(now, position, quaternion, dt_s)
        self._stay_near(now, *measured)
        if self._config.command_space == "joint":
            self._move_joints(now, measured[2], dt_s)
        now.velocity = bounded((now.position - before[0]) / dt_s, self._config.max_tip_speed)
        turn_rate = rotation_vector_between(before[1], now.quaternion) / dt_s
        now.turn_rate = bounded(turn_rate, self._config.max_turn_speed)

    def _move_tip(self, now: Setpoint, position, quaternion, dt_s: float) -> None:
        c = self._config
        flow = (position - now.wanted_position) / dt_s
        spin = rotation_vector_between(now.wanted_quaternion, quaternion) / dt_s
        now.wanted_position, now.wanted_quaternion = position, quaternion
        velocity = next_velocity(
            position - now.position, flow, now.velocity, c.max_tip_speed, c.max_tip_acceleration, c.gain_hz, dt_s
        )
        turn_rate = next_velocity(
            rotation_vector_between(now.quaternion, quaternion),
            spin,
            now.turn_rate,
            c.max_turn_speed,
            c.max_turn_acceleration,
            c.gain_hz,
            dt_s,
        )
        now.position = now.position + velocity * dt_s
        now.quaternion = turned(now.quaternion, turn_rate * dt_s)

    def _stay_near(self, now: Setpoint, position, quaternion, q) -> None:
        """Keep the setpoint within reach of the measured arm, so that nothing winds up while the arm is held."""
        now.position = position + bounded(now.position - position, self._config.max_lead_m)
        lead = rotation_vector_between(quaternion, now.quaternion)
        if lead @ lead > self._config.max_lead_rad**2:
            now.quaternion = turned(quaternion, bounded(lead, self._config.max_lead_rad))

    def _move_joints(self, now: Setpoint, q_measured, dt_s: float) -> None:
        """Follow the tip with joints: inverse kinematics, then speed, acceleration and lead of every joint."""
        c = self._config
        wanted = self._kinematics.solve(now.position, now.quaternion, now.q)
        dq = (wanted.q - now.q) / dt_s
        dq = np.minimum(np.maximum(dq, now.dq - self._ddq_max * dt_s), now.dq + self._ddq_max * dt_s)
        dq = dq / max(1.0, np.abs(dq / self._dq_max).max())
        q = now.q + dq * dt_s
        q = np.minimum(np.maximum(q, q_measured - c.max_lead_rad), q_measured + c.max_lead_rad)
        slowed = np.abs(q - wanted.q).max() > 1e-4 or wanted.position_error_m > 1e-3 or wanted.rotation_error_rad > 1e-2
        now.q, now.dq = q, bounded(dq, 1e3)
        if slowed:
            # The joints could not follow: the tip setpoint waits for them instead of winding up.
            now.position, now.quaternion = self._kinematics.tip(q)
