"""States and actions of a dataset as the mapping reads them: poses of the tips, grippers with 1 = open, chunks."""

import numpy as np

from ...errors import InvalidData
from ...reasoning.action_frame import ABSOLUTE, CHUNK_RELATIVE
from .gripper import OPPOSITE, opening, require_agreement
from .mapping import Mapping
from .poses import later_rows, moved, per_arm, poses
from .schema import RAW
from .source import Source


class Motion:
    """The rows `rows` (n,) of a source; episodes begin at `starts`. Everything it returns is in that order."""

    def __init__(self, source: Source, mapping: Mapping, rows=None, starts=(0,)):
        self.mapping, self.starts = mapping, np.asarray(starts)
        state, action = _state(source, mapping), _action(source, mapping)
        self._state, self._action = (state, action) if rows is None else (state[rows], action[rows])

    def first_nan(self) -> tuple[str, int] | None:
        """Return column and row of the first entry that is no number."""
        for column, values in ((self.mapping.state, self._state), (self.mapping.action, self._action)):
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
            if bad.any():
                return column, int(np.argmax(bad))
        return None

    def positions(self, arm: int) -> np.ndarray:
        """Return where a tip is (n, 3) [m]."""
        return per_arm(self._state, self.mapping.state_pose, self.mapping.state_rotation, arm)[:, :3]

    def commanded(self) -> np.ndarray:
        """Return what the grippers are told (n, g), 1 = open. InvalidData outside of what the mapping says."""
        return self._opens()[:, 0]

    def check_grippers(self) -> list[dict]:
        """Hold the commands of every gripper against its measured opening. InvalidData on a contradiction."""
        mapping, measured = self.mapping, self._measured()
        stated = f"action_gripper_means: {mapping.action_gripper_means}"
        other = OPPOSITE.get(mapping.action_gripper_means, "another")
        do = f"State {other}, or correct state_gripper_means: {mapping.state_gripper_means}."
        pairs = zip(self.commanded().T, measured.T)
        return [require_agreement(said, done, self.starts, stated, do) for said, done in pairs]

    def states(self) -> np.ndarray:
        """Return per arm pose and opening [m] (n, 7 * arms) float32; the source's own where it holds no pose."""
        if not self.mapping.arms:
            return self._state.astype(np.float32)
        widths, parts = self._measured() * self.mapping.gripper_max_width_m, []
        for arm in range(self.mapping.arms):
            width = widths[:, arm] if arm < widths.shape[1] else self._told_before(arm)
            parts.append(np.column_stack([self._poses(arm), width]))
        return np.column_stack(parts).astype(np.float32)

    def chunks(self) -> np.ndarray:
        """Return the rows to come (n, h, d) float32: poses in the base frame, or the source's own."""
        mapping, (n, length, _), opens = self.mapping, self._action.shape, self._opens()
        if mapping.action_frame == RAW:
            rows = self._action.copy()
            rows[..., list(mapping.action_gripper)] = opens
        else:
            flat, parts = self._action.reshape(n * length, -1), []
            for arm in range(mapping.arms):
                given = per_arm(flat, mapping.action_pose, mapping.action_rotation, arm)
                if mapping.action_frame == ABSOLUTE:
                    pose = poses(given, mapping.action_rotation)
                else:
                    pose = moved(np.repeat(self._poses(arm), length, axis=0), given, mapping.action_rotation)
                parts += [pose.reshape(n, length, 6), opens[..., arm : arm + 1]]
            rows = np.concatenate(parts, axis=2)
        if mapping.action_frame != CHUNK_RELATIVE:
            rows = later_rows(rows[:, 0], self.starts, mapping.horizon)
        return rows.astype(np.float32)

    def _poses(self, arm: int) -> np.ndarray:
        given = per_arm(self._state, self.mapping.state_pose, self.mapping.state_rotation, arm)
        return poses(given, self.mapping.state_rotation)

    def _opens(self) -> np.ndarray:
        """Return the commanded grippers of all rows of all chunks (n, h, g), 1 = open."""
        mapping = self.mapping
        values = self._action[..., list(mapping.action_gripper)]
        what = f"gripper in '{mapping.action}'"
        return opening(values, mapping.action_gripper_means, mapping.gripper_max_width_m, what)

    def _measured(self) -> np.ndarray:
        """Return the measured grippers (n, g), 1 = open; g = 0 where there is no measurement."""
        mapping = self.mapping
        values = self._state[:, list(mapping.state_gripper)]
        what = f"gripper in '{mapping.state}'"
        return opening(values, mapping.state_gripper_means, mapping.gripper_max_width_m, what)

    def _told_before(self, arm: int) -> np.ndarray:
        """Return the opening [m] last commanded, the best there is where none is measured."""
        told = self.commanded()
        if arm >= told.shape[1]:
            return np.zeros(len(told))
        before = np.roll(told[:, arm], 1)
        before[self.starts] = told[self.starts, arm]
        return before * self.mapping.gripper_max_width_m


def _state(source: Source, mapping: Mapping) -> np.ndarray:
    """Return the state column (rows, s). InvalidData when the mapping names entries that it does not have."""
    values = source.column(mapping.state)
    _require_entries(mapping.state, [*mapping.state_pose, *mapping.state_gripper], values.shape[1])
    return values


def _action(source: Source, mapping: Mapping) -> np.ndarray:
    """Return the action column (rows, h, d), h = 1 but for whole chunks. InvalidData for numbers without a meaning."""
    length = mapping.horizon if mapping.action_frame == CHUNK_RELATIVE else 1
    values = source.column(mapping.action)
    if values.shape[1] % length:
        found = f"{values.shape[1]} numbers in '{mapping.action}', stated as {mapping.action_frame}"
        raise InvalidData(found, f"{length} rows of as many numbers", "Correct horizon, or action_frame.")
    values = values.reshape(len(values), length, -1)
    size, raw = values.shape[2], mapping.action_frame == RAW
    used = {*mapping.action_gripper, *(() if raw else mapping.action_pose)}
    _require_entries(mapping.action, used, size)
    nameless = sorted(set(range(size)) - used - set(mapping.action_ignored))
    if nameless and not raw:
        found = f"actions of {size} numbers in '{mapping.action}', entries {nameless} without a meaning"
        expected = f"{len(used)}, as action_pose and action_gripper of {mapping.arms} arm(s) say"
        do = f"Name the others there or in action_ignored, or keep all with action_frame: {RAW}."
        raise InvalidData(found, expected, do)
    return values


def _require_entries(column: str, entries, size: int) -> None:
    highest = max(entries, default=0)
    if highest >= size:
        found = f"entry {highest} of '{column}', which has {size} numbers"
        raise InvalidData(found, f"entries 0..{size - 1}", "Correct pose and gripper in the mapping.")
