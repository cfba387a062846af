"""The ways to make a plan that are held against each other."""

from dataclasses import dataclass

from ...reasoning.factory import pace_of
from ...reasoning.reasoner import Reasoner
from ...runtime.decode import PLAIN, Pace


@dataclass(frozen=True)
class Mode:
    """One way. exact: the answer must be that of `plain`. depth_mode: see Reasoner.

    guesses: whether there are any. continues: whether rows that will be done are given.
    """

    name: str
    meaning: str
    exact: bool = True
    depth_mode: str = "generate"
    guesses: bool = True
    continues: bool = False

    @property
    def remembers(self) -> bool:
        """Whether a cycle is quicker for the ones before it."""
        return self.guesses

    def pace(self, config, window: int) -> Pace:
        """Return how far ahead a pass reads for a network; `window` where guesses are made."""
        return PLAIN if self.name == "plain" else pace_of(config, window if self.guesses else 0)


_CONTINUE = "draft_sensor, but rows that will be done when the plan comes are given"
MODES = {
    mode.name: mode
    for mode in (
        Mode("plain", "one pass per token: the yardstick", guesses=False),
        Mode("jump", "tokens that the form of the answer leaves no choice about cost no pass", guesses=False),
        Mode("draft", "jump, and the answer before this one is a draft that the model checks, many tokens per pass"),
        Mode("draft_sensor", "draft, and the sensor's depth tokens are a draft of the depth section", True, "draft"),
        Mode("force", "draft, but the sensor's depth tokens are taken as the model's own, unchecked", False, "force"),
        Mode("continue", _CONTINUE, False, "draft", continues=True),
    )
}
EXACT = tuple(name for name, mode in MODES.items() if mode.exact)
BEST = "draft_sensor"


def reasoner_of(subject, mode: Mode, window: int) -> Reasoner:
    """Return a reasoner without memories that runs a subject in one mode."""
    return Reasoner(
        subject.runtime,
        subject.form,
        subject.manifest,
        depth_mode=mode.depth_mode,
        pace=mode.pace(subject.form.config, window),
    )
