"""Bring a finite target inside the limits where that is possible: clamp, slide along the border, shorten the step."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..geometry import rotation_from_quaternion, rotation_vector, transform
from ..rotation import rotation_vector_between, turned
from ..types import RobotState
from .checks import Finding
from .config import SafetyConfig
from .limits import Limits

# Corrections smaller than this are numerical noise, not a hazard.
NOISE_M, NOISE_RAD = 2e-4, 1e-6
# What may be left outside after reshaping, unless the arm already was farther outside.
_TOLERANCE_M = 5e-4
_SLIDE_STEPS, _SLIDE_DAMPING = 4, 1e-3
_REDUCTION = 0.98


@dataclass(frozen=True)
class Reference:
    """What a step starts from: the last issued target (7,) of the command's space, its joints and its tip (4, 4)."""

    target: np.ndarray
    q: np.ndarray
    T: np.ndarray


@dataclass(frozen=True)
class Budget:
    """How much may happen in this step: time [s] that has passed and the share of the speed limits that is allowed."""

    elapsed_s: float
    share: float

    @property
    def scaled_s(self) -> float:
        """Time that the full speed limits may be used for."""
        return self.elapsed_s * self.share


@dataclass
class Outcome:
    """The reshaped target, its tip, the time budget it used, and the first thing that was limited or refused."""

    target: np.ndarray
    T: np.ndarray
    used_s: float = 0.0
    limited: Finding | None = None
    refused: Finding | None = None

    def limit(self, reason: str, value, bound) -> None:
        """Note a limit; the first one decides the reason."""
        if self.limited is None:
            self.limited = Finding(reason, float(value), float(bound))


class Reshaper:
    """Reshape targets of one arm. `joints` and `tip` are total for finite input."""

    def __init__(self, config: SafetyConfig, limits: Limits):
        self._config, self._limits = config, limits

    def joints(self, target, state: RobotState, reference: Reference, budget: Budget) -> Outcome:
        """Reshape a joint target (7,) [rad]: joint limits, box and table, lead, joint and tip speed."""
        limits = self._limits
        q = np.minimum(np.maximum(target, limits.q_low), limits.q_high)
        # An absurd target is clamped first, so that the kinematics below work on angles an arm can have.
        T, J = limits.chain.pose_and_jacobian(q)
        out = Outcome(q, T)
        off = np.abs(q - target)
        if off.max() > NOISE_RAD:
            worst = int(off.argmax())
            out.limit("joint_limit", target[worst], q[worst])
        self._slide_inside(out, J)
        self._stay_near_joints(out, state)
        self._shorten_joint_step(out, reference, budget)
        if out.target is not q:
            out.T = limits.chain.pose(out.target)
        self._verify(out, reference.T)
        return out

    def tip(self, target, state: RobotState, reference: Reference, budget: Budget) -> Outcome:
        """Reshape a tip target x y z [m], qx qy qz qw: box and table, lead, speeds, joints as far as predictable."""
        quaternion = target[3:] / np.linalg.norm(target[3:])
        T = transform(rotation_from_quaternion(quaternion), target[:3])
        out = Outcome(np.concatenate([target[:3], quaternion]), T)
        shift = self._shift(T, out)
        if shift is not None:
            out.target[:3] += shift
        lead = out.target[:3] - state.T_base_ee[:3, 3]
        length = float(np.linalg.norm(lead))
        if length > self._config.max_lead_m:
            out.limit("lead", length, self._config.max_lead_m)
            out.target[:3] = state.T_base_ee[:3, 3] + lead * (self._config.max_lead_m / length)
        self._shorten_tip_step(out, state, reference, budget)
        out.T = transform(rotation_from_quaternion(out.target[3:]), out.target[:3])
        self._verify(out, reference.T)
        self._predict_joints(out, state)
        return out

    def _shift(self, T, out: Outcome) -> np.ndarray | None:
        """Return the shift (3,) [m] of the tip that brings the hand inside, None when it is inside."""
        shift, below = self._limits.outside_box(T), self._limits.below_table(T)
        if below > max(shift[2], NOISE_M):
            out.limit("table", -below, 0.0)
            shift[2] = below
        worst = int(np.abs(shift).argmax())
        if abs(shift[worst]) <= NOISE_M:
            return None
        out.limit("workspace", T[worst, 3], T[worst, 3] + shift[worst])
        return shift

    def _slide_inside(self, out: Outcome, J) -> None:
        """Move the tip to the nearest allowed point, keeping its rotation, so that motion along a border goes on."""
        limits, T = self._limits, out.T
        for _ in range(_SLIDE_STEPS):
            shift = self._shift(T, out)
            if shift is None:
                return
            twist = np.concatenate([shift, np.zeros(3)])
            dq = J.T @ np.linalg.solve(J @ J.T + _SLIDE_DAMPING * np.eye(6), twist)
            dq *= min(1.0, 0.3 / max(float(np.abs(dq).max()), 1e-9))
            out.target = np.minimum(np.maximum(out.target + dq, limits.q_low), limits.q_high)
            T, J = limits.chain.pose_and_jacobian(out.target)
        out.T = T

    def _stay_near_joints(self, out: Outcome, state: RobotState) -> None:
        lead = out.target - state.q
        largest = float(np.abs(lead).max())
        if largest > self._config.max_lead_rad:
            out.limit("lead", largest, self._config.max_lead_rad)
            out.target = state.q + lead * (self._config.max_lead_rad / largest)

    def _shorten_joint_step(self, out: Outcome, reference: Reference, budget: Budget) -> None:
        """Scale the step from the last issued target until every joint and the tip keep their speed limits."""
        step = out.target - reference.q
        allowed = self._limits.allowed_dq(reference.q, step)
        size = np.abs(step)
        # A step too small to measure needs no time; a joint at its limit needs for ever.
        joint_s = float(np.where(size > NOISE_RAD, size / np.maximum(allowed, 1e-6), 0.0).max())
        travel = (out.T if out.limited is None else self._limits.chain.pose(out.target))[:3, 3] - reference.T[:3, 3]
        tip_s = sqrt(travel @ travel) / self._config.max_tip_speed
        needed_s = max(joint_s, tip_s)
        scale = self._scale(out, "joint_speed" if joint_s >= tip_s else "tip_speed", needed_s, budget)
        if scale < 1.0:
            out.target = reference.q + step * scale

    def _shorten_tip_step(self, out: Outcome, state: RobotState, reference: Reference, budget: Budget) -> None:
        travel = out.target[:3] - reference.target[:3]
        turn = rotation_vector_between(reference.target[3:], out.target[3:])
        tip_s = sqrt(travel @ travel) / self._config.max_tip_speed
        turn_s = sqrt(turn @ turn) / self._config.max_turn_speed
        dq = self._joint_step(np.concatenate([travel, turn]), state)
        joint_s = float((np.abs(dq) / np.maximum(self._limits.allowed_dq(state.q, dq), 1e-3)).max())
        needed_s = max(tip_s, turn_s, joint_s)
        reason = {tip_s: "tip_speed", turn_s: "turn_speed", joint_s: "joint_speed"}[needed_s]
        scale = self._scale(out, reason, needed_s, budget)
        if scale < 1.0:
            out.target = np.concatenate(
                [reference.target[:3] + travel * scale, turned(reference.target[3:], turn * scale)]
            )

    def _scale(self, out: Outcome, reason: str, needed_s: float, budget: Budget) -> float:
        """Return the share of a step that fits the budget, note what it uses; value = multiple of the speed limit."""
        if needed_s <= budget.scaled_s:
            out.used_s = needed_s / budget.share
            return 1.0
        out.limit(reason, needed_s / max(budget.scaled_s, 1e-9), 1.0)
        out.used_s = budget.elapsed_s
        # A path of joints is a little longer or shorter than its share; stay on the short side.
        return _REDUCTION * budget.scaled_s / needed_s

    def _joint_step(self, twist, state: RobotState) -> np.ndarray:
        _, J = self._limits.chain.pose_and_jacobian(state.q)
        return J.T @ np.linalg.solve(J @ J.T + _SLIDE_DAMPING * np.eye(6), twist)

    def _predict_joints(self, out: Outcome, state: RobotState) -> None:
        """Refuse a tip target whose joints, predicted from where they are, would go farther beyond a limit."""
        turn = rotation_vector(out.T[:3, :3] @ state.T_base_ee[:3, :3].T)
        travel = out.T[:3, 3] - state.T_base_ee[:3, 3]
        q = state.q + self._joint_step(np.concatenate([travel, turn]), state)
        beyond, already = self._limits.outside_joints(q), self._limits.outside_joints(state.q)
        if not beyond <= already + NOISE_RAD:
            out.refused = out.refused or Finding("joint_limit", beyond, already)

    def _verify(self, out: Outcome, T_before) -> None:
        """Refuse what is farther outside than where the arm already was: reshaping did not help."""
        outside, before = self._limits.outside(out.T), self._limits.outside(T_before)
        if not (np.isfinite(out.target).all() and outside <= max(before + 1e-9, _TOLERANCE_M)):
            out.refused = Finding("cannot_reshape", outside, before)
