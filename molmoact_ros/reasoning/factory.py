"""From the name of a checkpoint to a reasoner that has passed the gate."""

from typing import Callable

from ..errors import InvalidData, MolmoActError
from ..places import data_root
from ..runtime.factory import open_runtime
from .gate import Check, Station, examine, first_refusal, try_out
from .manifest import EMBEDDED, Manifest, load_manifest
from .probes import FILE, load_probes
from .reasoner import Reasoner
from .text_reasoner import TextReasoner

_NOT_RUN = Check("dead head", "not run", ran=False)


def open_reasoner(
    checkpoint, prepare: Callable, arm_names: tuple[str, ...] = ("fr3",), threads: int = 1, device: str = "auto"
) -> Reasoner | TextReasoner:
    """Load a checkpoint by its folder or manifest, without the gate. `prepare(image, size)` resizes a picture."""
    manifest = load_manifest(checkpoint)
    runtime = open_runtime(manifest.folder, threads, manifest.states.dtype, device)
    return _reasoner(runtime, manifest, prepare, arm_names)


def _reasoner(runtime, manifest: Manifest, prepare: Callable, arm_names: tuple[str, ...]) -> Reasoner | TextReasoner:
    if hasattr(runtime, "tokens") != (manifest.states.layout == EMBEDDED):
        found = f"layout '{manifest.states.layout}' in '{manifest.path}'"
        raise InvalidData(found, "the layout that config.json has", "Correct the manifest.")
    if manifest.states.layout == EMBEDDED:
        return Reasoner(runtime, manifest, prepare, arm_names[0])
    return TextReasoner(runtime, manifest, arm_names)


def pass_gate(checkpoint, station: Station, open_one: Callable[[], Reasoner | TextReasoner]) -> tuple:
    """Run the whole gate; return the reasoner, None when it was refused, and all checks.

    `open_one` loads the checkpoint; it is called only when nothing speaks against that.
    """
    manifest, checks = examine(checkpoint, station)
    if first_refusal(checks):
        return None, [*checks, _NOT_RUN]
    try:
        reasoner = open_one()
    except MolmoActError as error:
        return None, [*checks, Check(_NOT_RUN.name, str(error), error)]
    checks.append(try_out(manifest, reasoner.probe, load_probes(data_root() / FILE)))
    return (None if first_refusal(checks) else reasoner), checks
