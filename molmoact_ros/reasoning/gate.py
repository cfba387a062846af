"""The checkpoint gate: what must be true of a checkpoint before it may move an arm. Deny by default.

First what can be seen without loading it, then, on a few probe frames, whether it looks at all: a public checkpoint has
open reports of actions that are nearly zero and the same for every picture.
"""

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from ..errors import InvalidData, MissingPart, MolmoActError
from ..runtime.examination import examine_tokenizer, examine_weights
from ..runtime.grammar import SECTIONS
from ..types import ArmProfile, Plan, Refusal
from .action_codec import BINS, ActionCodec
from .action_frame import DELTA, FRAMES
from .action_tokens import ACTION_STRINGS
from .manifest import PUBLISHED, Manifest, load_manifest, sha256
from .probes import Probe

# Files that decide what a checkpoint does; pictures, licences and remote code beside them are never opened.
_READ = (".json", ".safetensors", ".txt", ".model", ".onnx")
# Statistics that span less than this cannot come from a moving arm.
_LEAST_SPAN_M = 1e-4
# From closed to open is 1; statistics in metres or of a gripper that never moved say less.
_LEAST_OPENING = 0.5
# Answers that differ by less than this share of the span are one action bin that flickers.
_LEAST_RESPONSE = 0.01
_FULL_TURN_RAD = 2 * np.pi
_OTHER_STATISTICS = "Use the norm_stats of this checkpoint, and check control_rate_hz and action_frame."
_DEPTH_STRINGS = ("<DEPTH_START>", "<DEPTH_END>", *(f"<DEPTH_{i}>" for i in range(128)))


@dataclass(frozen=True)
class Station:
    """What a checkpoint is to drive: the arm's profile, how many of them, and the cameras that the cell has."""

    arm: ArmProfile
    arms: int = 1
    cameras: tuple[str, ...] = ("front", "wrist")


@dataclass(frozen=True)
class Check:
    """One line of the gate: passed, refused with `error`, or not run because something before it was refused."""

    name: str
    detail: str = ""
    error: MolmoActError | None = None
    ran: bool = True

    @property
    def passed(self) -> bool:
        """Whether it ran and found nothing."""
        return self.ran and self.error is None


def examine(checkpoint, station: Station, backend: str = "auto") -> tuple[Manifest | None, list[Check]]:
    """Look at manifest, files, statistics and headers without loading weights; never raises a MolmoActError.

    backend: what is to run it, see runtime/factory.py.
    """
    loaded: list[Manifest] = []
    checks = [_check("manifest", lambda: _manifest(checkpoint, loaded))]
    manifest = loaded[0] if loaded else None
    steps = {"files": _files, "arm": _arm, "cameras": _cameras, "statistics": _statistics}
    steps["weights"] = lambda manifest, _: _weights(manifest, backend)
    if manifest is None or manifest.states.layout == PUBLISHED:
        steps["tokenizer"] = _tokenizer
    for name, step in steps.items():
        if manifest is None:
            checks.append(Check(name, "not run", ran=False))
        else:
            checks.append(_check(name, lambda step=step: step(manifest, station)))
    return manifest, checks


def try_out(manifest: Manifest, answer: Callable[[Probe], object], probes: Sequence[Probe]) -> Check:
    """Ask about probe frames: `answer(probe)` is a plan or a refusal. Actions must respond to what is seen and said."""
    return _check("dead head", lambda: _responds(manifest, [answer(probe) for probe in probes]))


def first_refusal(checks: Sequence[Check]) -> MolmoActError | None:
    """Return the error of the first check that was refused."""
    return next((check.error for check in checks if check.error is not None), None)


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, look())
    except MolmoActError as error:
        return Check(name, str(error), error)


def _manifest(checkpoint, loaded: list) -> str:
    manifest = load_manifest(checkpoint)
    loaded.append(manifest)
    states = manifest.states
    if states.unverified:
        found = f"'{manifest.path.name}' lists {', '.join(states.unverified)} as unverified"
        do = "Find them out, correct them, and take their names from 'unverified'."
        raise InvalidData(found, "statements that somebody has checked", do)
    return f"{states.name}: {states.layout}, from {states.source} {states.revision}".rstrip()


def _files(manifest: Manifest, _) -> str:
    do = "Fetch the checkpoint again; if you trust what is there: molmoact doctor MODEL --pin"
    if not manifest.folder.is_dir():
        raise MissingPart(f"no folder '{manifest.folder}'", "the checkpoint's files", "Fetch it (docs/models.md).")
    there = sorted(p.name for p in manifest.folder.iterdir() if p.suffix in _READ and not p.name.startswith("."))
    for name in sorted({*there, *manifest.files, manifest.states.norm_stats}):
        if name not in manifest.files:
            raise InvalidData(f"no checksum of '{name}' in '{manifest.path.name}'", "one for each file", do)
        path = manifest.folder / name
        if not path.is_file():
            raise MissingPart(f"no '{name}' in '{manifest.folder}'", "every file of the manifest", do)
        if sha256(path) != manifest.files[name]:
            raise InvalidData(f"'{path}' has another sha256", f"{manifest.files[name][:12]}…", do)
    return f"{len(manifest.files)} files have the sha256 of the manifest"


def _arm(manifest: Manifest, station: Station) -> str:
    values = manifest.rows(np.zeros((1, manifest.dims), int)).shape[1]
    wanted = 7 * station.arms
    if manifest.states.arms != station.arms or values != wanted:
        found = f"a checkpoint for {manifest.states.arms} arm(s) with {values} action values"
        do = "Choose a checkpoint that was trained for this cell."
        raise InvalidData(found, f"{station.arms} arm(s) with {wanted}", do)
    return f"{manifest.states.horizon} rows of {values} values at {manifest.states.control_rate_hz:g} Hz"


def _cameras(manifest: Manifest, station: Station) -> str:
    missing = [name for name in manifest.states.cameras if name not in station.cameras]
    if missing or not manifest.states.cameras:
        found = f"a checkpoint that looks through {', '.join(manifest.states.cameras) or 'no camera'}"
        raise InvalidData(found, f"cameras among {', '.join(station.cameras)}", "Correct 'cameras' in the manifest.")
    return ", ".join(manifest.states.cameras)


def _statistics(manifest: Manifest, station: Station) -> str:
    """Hold the largest actions that the statistics allow against what the arm can do."""
    if manifest.states.action_frame not in FRAMES:
        found = f"actions that are {manifest.states.action_frame}"
        raise InvalidData(found, "metres and radians", "Evaluate it in its simulator; no arm can execute it.")
    ends = _extremes(manifest)
    span, xyz, rpy = np.ptp(ends[..., :3], axis=0).max(), np.abs(ends[..., :3]).max(), np.abs(ends[..., 3:6]).max()
    do = _OTHER_STATISTICS
    if not span > _LEAST_SPAN_M:
        raise InvalidData(f"statistics that span {span:.2g} m", f"more than {_LEAST_SPAN_M} m", do)
    if manifest.embedded:
        _require_state(manifest.state_codec, station.arm)
    opening = np.ptp(ends[..., 6], axis=0).min()
    if manifest.embedded and manifest.embedded.sections != SECTIONS:
        found = f"answers of {', '.join(manifest.embedded.sections)} alone"
        raise InvalidData(found, f"{', '.join(SECTIONS)}: a plan that a person can read", "Evaluate it; no arm moves.")
    if not opening > _LEAST_OPENING:
        raise InvalidData(f"statistics that open the gripper by {opening:.2g}", f"more than {_LEAST_OPENING} of 1", do)
    if manifest.states.action_frame != DELTA:
        bounds = {"reach": (xyz, station.arm.reach_m, "m"), "angle": (rpy, _FULL_TURN_RAD, "rad")}
    else:
        rate = manifest.states.control_rate_hz
        bounds = {
            "tip speed": (xyz * rate, station.arm.tip_speed_max, "m/s"),
            "turn": (rpy * rate, station.arm.tip_turn_max, "rad/s"),
        }
    for name, (value, bound, unit) in bounds.items():
        if not value <= bound:
            raise InvalidData(f"statistics with a {name} of {value:.3g} {unit}", f"at most {bound:.3g} {unit}", do)
    return ", ".join(f"{name} {value:.3g} of {bound:.3g} {unit}" for name, (value, bound, unit) in bounds.items())


def _extremes(manifest: Manifest) -> np.ndarray:
    """Return the rows (2, arms, 7) of all lowest and all highest action bins. InvalidData."""
    rows = manifest.rows(np.array([np.zeros(manifest.dims, int), np.full(manifest.dims, BINS - 1)]))
    if rows.shape[1] % 7:
        raise InvalidData(f"statistics of {rows.shape[1]} values", "7 for each arm", _OTHER_STATISTICS)
    return rows.reshape(2, -1, 7)


def _require_state(codec: ActionCodec, arm: ArmProfile) -> None:
    """Hold the range of the state that an embedded model reads, tip and gripper width, against the arm."""
    bounds, values = np.array([arm.reach_m] * 3 + [arm.gripper_max_width_m]), np.abs([codec.q01, codec.q99]).max(axis=0)
    if np.any(values > bounds) or np.any(codec.q99 - codec.q01 < _LEAST_SPAN_M):
        found = f"state statistics up to {', '.join(f'{value:.3g}' for value in values)} m"
        raise InvalidData(found, f"at most {', '.join(f'{bound:.3g}' for bound in bounds)} m", _OTHER_STATISTICS)


def _weights(manifest: Manifest, backend: str) -> str:
    return examine_weights(manifest.folder, manifest.image_size if manifest.embedded else None, backend)


def _tokenizer(manifest: Manifest, _) -> str:
    return examine_tokenizer(manifest.folder, _DEPTH_STRINGS, ACTION_STRINGS)


def _responds(manifest: Manifest, answers: list) -> str:
    plans = [answer for answer in answers if isinstance(answer, Plan)]
    do = "Do not let it move: look at its prompt, cameras and norm_stats, or fine-tune it."
    if len(plans) < 2:
        refusals = [f" (first refusal: {answer.name})" for answer in answers if isinstance(answer, Refusal)]
        found = f"plans for {len(plans)} of {len(answers)} probe frames{refusals[0] if refusals else ''}"
        raise InvalidData(found, "at least 2", do)
    chunks = np.array([plan.chunk.actions for plan in plans])
    change_m = float(np.ptp(chunks.reshape(*chunks.shape[:2], -1, 7)[..., :3], axis=0).max())
    if not change_m > _LEAST_RESPONSE * np.ptp(_extremes(manifest)[..., :3], axis=0).max():
        found = f"actions that change by {change_m:.2g} m between {len(plans)} different frames"
        raise InvalidData(found, "actions that respond to what is seen", do)
    return f"{len(plans)} of {len(answers)} frames answered, actions differ by up to {change_m * 1000:.1f} mm"
