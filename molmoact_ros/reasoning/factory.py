"""From the name of a checkpoint to a reasoner that has passed the gate."""

from dataclasses import dataclass
from typing import Callable

from ..errors import InvalidData, MolmoActError
from ..places import data_root
from ..runtime.chat import open_chat
from ..runtime.decode import Pace
from ..runtime.factory import checkpoint_config, is_source, open_runtime
from .compact_form import CompactForm
from .gate import Check, Station, examine, first_refusal, try_out
from .manifest import EMBEDDED, Manifest, load_manifest
from .probes import FILE, load_probes
from .reasoner import Reasoner
from .text_form import TextForm

# From this many weights on a CPU's pass takes about as long for 8 tokens as for one.
_LARGE, _BOLD, _CAREFUL = 10_000_000, 0.05, 0.4
_NOT_RUN = Check("dead head", "not run", ran=False)


@dataclass(frozen=True)
class Engine:
    """How a checkpoint is to be run: see ReasoningConfig, whose options these are."""

    backend: str = "auto"
    device: str = "auto"
    threads: int = 1
    depth_mode: str = "draft"
    window: int = 16


def open_reasoner(
    checkpoint, prepare: Callable, arm_names: tuple[str, ...] = ("fr3",), engine: Engine = Engine()
) -> Reasoner:
    """Load a checkpoint by its folder or manifest, without the gate. `prepare(image, size)` resizes a picture."""
    manifest = load_manifest(checkpoint)
    form = open_form(manifest, prepare)
    files = {name: digest for name, digest in manifest.files.items() if is_source(name)} or None
    runtime = open_runtime(
        manifest.folder, form.grammar.legal, engine.backend, engine.threads, manifest.states.dtype, engine.device, files
    )
    return Reasoner(runtime, form, manifest, arm_names, engine.depth_mode, pace_of(form.config, engine.window))


def pace_of(config, window: int) -> Pace:
    """Return how far ahead to guess: boldly where a pass costs its weights, not where it costs its tokens."""
    decoder = config.decoder
    weights = decoder.num_hidden_layers * decoder.hidden_size * (decoder.hidden_size + decoder.intermediate_size) * 3
    return Pace(window, _BOLD if weights > _LARGE else _CAREFUL)


def open_form(manifest: Manifest, prepare: Callable) -> CompactForm | TextForm:
    """Return how a checkpoint is asked and answers. InvalidData when its layout is not that of its config.json."""
    config = checkpoint_config(manifest.folder)
    if (config.tokens is not None) != (manifest.states.layout == EMBEDDED):
        found = f"layout '{manifest.states.layout}' in '{manifest.path}'"
        raise InvalidData(found, "the layout that config.json has", "Correct the manifest.")
    if manifest.states.layout == EMBEDDED:
        return CompactForm(config, manifest, prepare)
    return TextForm(open_chat(manifest.folder), manifest)


def pass_gate(checkpoint, station: Station, open_one: Callable[[], Reasoner], backend: str = "auto") -> tuple:
    """Run the whole gate; return the reasoner, None when it was refused, and all checks.

    `open_one` loads the checkpoint; it is called only when nothing speaks against that.
    """
    manifest, checks = examine(checkpoint, station, backend)
    if first_refusal(checks):
        return None, [*checks, _NOT_RUN]
    try:
        reasoner = open_one()
    except MolmoActError as error:
        return None, [*checks, Check(_NOT_RUN.name, str(error), error)]
    checks.append(try_out(manifest, reasoner.probe, load_probes(data_root() / FILE)))
    reasoner.forget()
    return (None if first_refusal(checks) else reasoner), checks
