"""One pure function per hazard that is refused: it returns a Finding, or None when all is well.

Every comparison is written so that NaN falls on the side of the hold.
"""

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from ..types import Command, RobotState
from .config import SafetyConfig
from .limits import Limits


@dataclass(frozen=True)
class Finding:
    """What a check saw: a fixed identifier, the value and the bound it broke (NaN where there is no number)."""

    reason: str
    value: float = nan
    bound: float = nan


def check_state(now_ns: int, state: RobotState | None, config: SafetyConfig, limits: Limits) -> Finding | None:
    """The arm is known: there is a state, it is finite, fresh, and no joint is faster than the arm allows."""
    if state is None:
        return Finding("arm_state_missing")
    values = (state.q, state.dq, state.T_base_ee, state.gripper_width_m, state.wrench)
    if not all(np.isfinite(v).all() for v in values):
        return Finding("arm_state_not_finite")
    found = _check_stamp("arm_state", now_ns, state.stamp_ns, config.max_state_age_s, config.max_future_s)
    if found is not None:
        return found
    excess = np.abs(state.dq) - limits.dq_hard
    joint = int(excess.argmax())
    if not excess[joint] <= 0:
        return Finding("arm_too_fast", float(abs(state.dq[joint])), float(limits.dq_hard[joint]))
    return None


def check_form(command: Command | None, config: SafetyConfig) -> Finding | None:
    """The command is one for this arm, in the agreed space, and all of it are numbers."""
    if command is None:
        return Finding("command_missing")
    if tuple(command.arm_names) != (config.arm_name,):
        return Finding("wrong_arm", float(len(command.arm_names)), 1.0)
    if command.space == "hold":
        return None
    if command.space != config.command_space:
        return Finding("wrong_space")
    if not (np.isfinite(command.targets).all() and np.isfinite(command.gripper_width_m).all()):
        return Finding("command_not_finite")
    if command.space == "ee":
        length = float(np.linalg.norm(command.targets[0, 3:]))
        if not abs(length - 1.0) <= 0.01:
            return Finding("not_a_rotation", length, 1.0)
    return None


def check_age(now_ns: int, command: Command, config: SafetyConfig) -> Finding | None:
    """The command was computed just now, from a picture that is recent enough. A hold needs no picture."""
    found = _check_stamp("command", now_ns, command.issued_ns, config.max_command_age_s, config.max_future_s)
    if found is not None or command.space == "hold":
        return found
    return _check_stamp("observation", now_ns, command.stamp_ns, config.max_observation_age_s, config.max_future_s)


def check_following(reference_q, state: RobotState, config: SafetyConfig) -> Finding | None:
    """The arm follows: the last issued target is not far from where the joints are."""
    bound = 1.5 * config.max_lead_rad
    lead = float(np.abs(reference_q - state.q).max())
    return None if lead <= bound else Finding("arm_not_following", lead, bound)


def _check_stamp(what: str, now_ns: int, stamp_ns: int, max_age_s: float, max_future_s: float) -> Finding | None:
    age_s = (now_ns - stamp_ns) * 1e-9
    if not (isfinite(age_s) and age_s <= max_age_s):
        return Finding(f"{what}_stale", age_s, max_age_s)
    return None if age_s >= -max_future_s else Finding(f"{what}_from_future", age_s, -max_future_s)
