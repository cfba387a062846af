"""What a gripper's numbers mean: turned into one convention, 1 = open, and held against what the gripper did."""

import numpy as np

from ...errors import InvalidData

# A change of the opening counts when it is this share of its range; fewer frames than this say nothing.
_MOVED, _FEWEST = 0.02, 4
# Beyond this the command and the opening tell the same story, or opposite ones.
_CLEAR = 0.2
_SLACK = 0.05
OPPOSITE = {"open_is_1": "closed_is_1", "closed_is_1": "open_is_1"}


def opening(values, convention: str, max_width_m: float, what: str) -> np.ndarray:
    """Return gripper values in 0..1, 1 = open. InvalidData when they are outside of what the convention allows."""
    values = np.asarray(values, float)
    most = max_width_m if convention == "width_m" else 1.0
    if values.size and (values.min() < -_SLACK * most or values.max() > (1 + _SLACK) * most):
        found = f"{what} from {values.min():.3g} to {values.max():.3g}, stated as {convention}"
        unit = " m (gripper_max_width_m)" if convention == "width_m" else ""
        raise InvalidData(found, f"0 to {most:g}{unit}", "State another gripper_convention, or scale the column.")
    share = np.clip(values / most, 0.0, 1.0)
    return 1.0 - share if convention == "closed_is_1" else share


def agreement(commanded, measured, starts) -> tuple[float, int]:
    """Return the correlation of a command with the change of the opening that follows, and of how many frames.

    commanded, measured: (n,) 1 = open. starts: rows at which an episode begins. Only frames in which the gripper moves
    count; NaN where these are too few, or the command never changes in them.
    """
    change = np.diff(measured)
    change[np.asarray(starts)[1:] - 1] = 0.0
    moved = np.abs(change) > _MOVED * max(float(np.ptp(measured)), 1e-6)
    count = int(moved.sum())
    said, done = np.asarray(commanded)[:-1][moved], np.sign(change[moved])
    if count < _FEWEST or said.std() < 1e-6 or done.std() < 1e-6:
        return float("nan"), count
    return float(np.corrcoef(said, done)[0, 1]), count


def require_agreement(commanded, measured, starts, stated: str, do: str) -> dict:
    """Refuse a command that closes what it says it opens; return the figures. InvalidData with the correlation."""
    correlation, frames = agreement(commanded, measured, starts)
    if correlation < -_CLEAR:
        found = f"a gripper that opens when it is told to close (correlation {correlation:.2f} in {frames} frames)"
        raise InvalidData(found, f"the opposite, as {stated} says", do)
    verdict = "agrees" if correlation > _CLEAR else "not decidable: it hardly moves"
    rounded = None if np.isnan(correlation) else round(correlation, 3)
    return {"correlation": rounded, "frames": frames, "verdict": verdict}
