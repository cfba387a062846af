"""What a model usually says in a situation: counts per situation, and a vote of all situations that fit."""

from collections import Counter
from typing import Hashable, Iterable

# Situations that are remembered at most; then everything is learned anew.
_MOST = 300_000


class Habits:
    """Learn values of situations, one at a time; `vote` says which value is likely, and how likely."""

    def __init__(self):
        self._counts: dict[tuple, Counter] = {}

    def learn(self, situations: Iterable[tuple], value: int) -> None:
        """Remember that `value` was said in all of these situations."""
        if len(self._counts) > _MOST:
            self._counts.clear()
        for situation in situations:
            self._counts.setdefault(situation, Counter())[value] += 1

    def vote(self, situations: Iterable[tuple]) -> tuple[Hashable, float] | None:
        """Return the value that most speaks for, and its share of the votes; None in situations never seen before.

        A situation that was seen n times has a vote of n / (n + 1), divided among what was said in it.
        """
        votes: dict[Hashable, float] = {}
        for situation in situations:
            counts = self._counts.get(situation)
            if counts:
                total = counts.total()
                for value, count in counts.items():
                    votes[value] = votes.get(value, 0.0) + count / (total + 1)
        if not votes:
            return None
        best = max(votes, key=votes.__getitem__)
        return best, votes[best] / (sum(votes.values()) + 0.1)
