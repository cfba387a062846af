"""What the parts of an answer cost."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SectionCost:
    """What one part of an answer cost: time [ms], tokens, passes through the network, guesses that were checked.

    A guess behind one that was wrong is not checked. accepted: how many of the checked ones were right.
    """

    ms: float = 0.0
    tokens: int = 0
    passes: int = 0
    drafted: int = 0
    accepted: int = 0

    def plus(self, other: "SectionCost") -> "SectionCost":
        """Return the sum of both."""
        return SectionCost(
            self.ms + other.ms,
            self.tokens + other.tokens,
            self.passes + other.passes,
            self.drafted + other.drafted,
            self.accepted + other.accepted,
        )
