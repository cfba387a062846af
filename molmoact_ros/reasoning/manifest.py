"""What a person states about a checkpoint: models/NAME.yaml beside the folder models/NAME.

Where it comes from, the checksums of its files, and how its answers become motion. Nothing of this can be guessed from
the weights, and a wrong guess moves an arm.
"""

import json
import re
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ..config import build, refuse_unknown
from ..errors import ConfigError, InvalidData, MissingPart
from ..runtime.engine_manifest import checksum as sha256
from .action_codec import BIN_CENTRES, BIN_EDGES, BINS, ActionCodec
from .norm_stats import ActionStatistics, action_statistics
from .statements import EMBEDDED, PUBLISHED, EmbeddedForm, Statements  # noqa: F401  the one door to a manifest

SUFFIX = ".yaml"
_FREE_TEXT = ("notes", "training")
_STATE_DIMS = 4
_SHA256 = re.compile("[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Manifest:
    """A checked manifest. files: name in `folder` -> sha256. embedded: None for other layouts."""

    path: Path
    folder: Path
    states: Statements
    files: Mapping[str, str]
    embedded: EmbeddedForm | None

    @property
    def dt_s(self) -> float:
        """Time between rows [s]."""
        return 1.0 / self.states.control_rate_hz

    @property
    def dims(self) -> int:
        """Number of action values that the model writes per row."""
        return len(self.embedded.dims) if self.embedded else self.statistics.dims

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height that pictures are shrunk to (embedded layout)."""
        return self.embedded.image_size

    @cached_property
    def norm_stats(self) -> dict:
        """All statistics of the checkpoint, per key. MissingPart or InvalidData, as for what is read from them."""
        path = self.folder / self.states.norm_stats
        data = _json(path)
        stats = data.get("norm_stats", data) if isinstance(data, dict) else None
        if not isinstance(stats, dict) or not stats or not all(isinstance(v, dict) for v in stats.values()):
            raise InvalidData(f"no norm_stats in '{path}'", "statistics per key", "Name the right file in norm_stats.")
        return stats

    @cached_property
    def statistics(self) -> ActionStatistics:
        """The action statistics that apply, checked to be whole."""
        try:
            statistics = action_statistics(self.norm_stats, self.states.unnorm_key or None)
        except InvalidData:
            raise
        except (KeyError, IndexError, TypeError, ValueError) as error:
            found = f"action statistics of '{self.states.name}' ({type(error).__name__}: {error})"
            raise InvalidData(found, "q01, q99 and mask", "Use the norm_stats of this checkpoint.") from None
        statistics.require_whole()
        return statistics

    @cached_property
    def action_codec(self) -> ActionCodec:
        """How an embedded model spells its actions; unlike published ones it scales the gripper, too."""
        return self._codec("action", self.dims)

    @cached_property
    def state_codec(self) -> ActionCodec:
        """How the robot's state (x, y, z of the tip, gripper width) is spelled in an embedded model's prompt."""
        return self._codec("proprio", _STATE_DIMS)

    def _codec(self, kind: str, dims: int) -> ActionCodec:
        """Read the range of `dims` values. InvalidData."""
        stats = self.norm_stats.get(self.states.unnorm_key, {}).get(kind)
        try:
            q01, q99 = np.array(stats["q01"], float), np.array(stats["q99"], float)
        except (KeyError, TypeError, ValueError):
            q01 = q99 = np.empty(0)
        if not q01.shape == q99.shape == (dims,):
            found = f"no {kind} q01 and q99 of {dims} numbers under '{self.states.unnorm_key}'"
            do = f"Restore '{self.states.norm_stats}', or correct unnorm_key and dims."
            raise InvalidData(found, "statistics of this checkpoint", do)
        return ActionCodec(q01, q99)

    def rows(self, bins) -> np.ndarray:
        """Turn action bins (h, dims) in 0..254 into rows (h, 7 * arms) in physical units, gripper 1 = open."""
        bins = np.asarray(bins)
        if self.embedded:
            rows = np.tile(self.embedded.constant, (len(bins), 1))
            rows[:, self.embedded.dims] = self.action_codec.decode(bins)
        else:
            rows = self.statistics.unnormalise(BIN_CENTRES[bins])
        grippers = np.clip(rows[:, 6::7], 0.0, 1.0)
        rows[:, 6::7] = grippers if self.states.gripper == "open_is_1" else 1.0 - grippers
        return rows

    def bins(self, rows) -> np.ndarray:
        """Return the action bins (h, dims) nearest to rows (h, 7 * arms); the inverse of `rows`, where it has one."""
        rows = np.array(rows, float)
        if self.states.gripper != "open_is_1":
            rows[:, 6::7] = 1.0 - rows[:, 6::7]
        if self.embedded:
            return self.action_codec.encode(rows[:, self.embedded.dims])
        stats = self.statistics
        scaled = np.where(stats.mask, 2 * (rows - stats.q01) / np.where(stats.mask, stats.q99 - stats.q01, 1) - 1, rows)
        return np.clip(np.digitize(np.clip(scaled, -1, 1), BIN_EDGES) - 1, 0, BINS - 1)


def manifest_path(checkpoint) -> Path:
    """Return the manifest of `checkpoint`, which names the YAML file itself or the folder that it stands beside."""
    path = Path(checkpoint)
    path = path if path.name.strip(".") else path.resolve()
    if not path.name:
        raise MissingPart(f"no checkpoint '{checkpoint}'", "a folder with a manifest beside it", "Name one.")
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def load_manifest(checkpoint) -> Manifest:
    """Read and check a manifest. MissingPart when there is none, ConfigError or InvalidData when it is wrong."""
    import yaml

    path = manifest_path(checkpoint)
    if not path.is_file():
        do = "Write one (docs/models.md), or give checkpoint:=FOLDER of a model that has one."
        raise MissingPart(f"no manifest '{path}'", "a YAML file beside the checkpoint's folder", do)
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}': {' '.join(str(error).split())}", "YAML", "Correct the file.") from None
    if not isinstance(data, dict):
        raise ConfigError(f"'{path}' holds {type(data).__name__}", "name: value lines", "Correct the file.")
    names = [f.name for f in fields(Statements)]
    refuse_unknown(data, [*names, "files", EMBEDDED, *_FREE_TEXT], f"entry of '{path.name}'")
    states = _built(path, Statements, {name: data[name] for name in names if name in data})
    refuse_unknown(states.unverified, names, f"statement in '{path.name}'")
    embedded = _embedded(path, states, data.get(EMBEDDED))
    return Manifest(path, path.parent / (states.folder or path.stem), states, _files(path, data), embedded)


def _embedded(path: Path, states: Statements, given) -> EmbeddedForm | None:
    """Check what only the embedded layout needs: which dimensions have tokens, the others' values, picture size."""
    names, values = [f.name for f in fields(EmbeddedForm)], 7 * states.arms
    wanted = states.layout == EMBEDDED
    if bool(given) != wanted or wanted and not isinstance(given, dict):
        found = f"'{path}': entry '{EMBEDDED}' is {given!r} with layout '{states.layout}'"
        raise ConfigError(found, ", ".join(names) if wanted else "none", "Correct the file.")
    if not wanted:
        return None
    refuse_unknown(given, names, f"entry of '{EMBEDDED}' in '{path.name}'")
    form = _built(path, EmbeddedForm, given)
    if len(form.constant) != values:
        found = f"'{path}': {len(form.constant)} values in '{EMBEDDED}.constant'"
        raise ConfigError(found, f"7 for each of {states.arms} arm(s)", "Correct the file.")
    if not form.dims or len(set(form.dims)) < len(form.dims) or max(form.dims) >= values:
        found = f"'{path}': '{EMBEDDED}.dims' are {list(form.dims)}"
        raise ConfigError(found, f"different columns 0..{values - 1}", "Correct the file.")
    return form


def _built(path: Path, cls, values: Mapping[str, Any]):
    try:
        return build(cls, values)
    except ConfigError as error:
        raise ConfigError(f"'{path}': {error.found}", error.expected, "Correct the file.") from None


def _files(path: Path, data: dict) -> dict[str, str]:
    files = data.get("files") or {}
    if not isinstance(files, dict) or not all(_SHA256.fullmatch(str(digest)) for digest in files.values()):
        do = "Remove 'files' and run: molmoact doctor MODEL --pin"
        raise ConfigError(f"'{path}': files", "file name: sha256 (64 hex digits)", do)
    return {str(name): str(digest).lower() for name, digest in files.items()}


def save_manifest(path, data: Mapping[str, Any]) -> None:
    """Write a manifest as YAML, entries in the order given."""
    import yaml

    text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    Path(path).write_text(text)


def pin(checkpoint) -> dict[str, str]:
    """Write the checksums of all files of the checkpoint's folder into its manifest, as they are now; return them."""
    manifest = load_manifest(checkpoint)
    if not manifest.folder.is_dir():
        raise MissingPart(f"no folder '{manifest.folder}'", "the checkpoint's files", "Fetch it (docs/models.md).")
    names = sorted(p.name for p in manifest.folder.iterdir() if p.is_file() and not p.name.startswith("."))
    files = {name: sha256(manifest.folder / name) for name in names}
    _write_pins(manifest, files)
    return files


def add_pins(manifest: Manifest, files: Mapping[str, str]) -> None:
    """Write the checksums of files that were added to a checkpoint into its manifest; the others stay as they are."""
    _write_pins(manifest, dict(sorted({**manifest.files, **files}.items())))


def _write_pins(manifest: Manifest, files: Mapping[str, str]) -> None:
    lines = manifest.path.read_text().splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("files:")), len(lines))
    end = next((i for i in range(start + 1, len(lines)) if lines[i][:1] not in (" ", "")), len(lines))
    pinned = ["files:", *(f"  {name}: {digest}" for name, digest in files.items())]
    manifest.path.write_text("\n".join([*lines[:start], *pinned, *lines[end:]]) + "\n")


def _json(path: Path) -> Any:
    if not path.is_file():
        raise MissingPart(f"no '{path}'", "the file that holds norm_stats", "Name it in the manifest's norm_stats.")
    try:
        return json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidData(f"'{path}' cannot be read ({error})", "JSON", "Fetch the checkpoint again.") from None
