"""What a model usually says in a situation: counts per situation, and a vote of all situations that fit."""

from collections import Counter
from typing import Hashable, Iterable

# Situations that are remembered at most; then everything is learned anew.
_MOST = 300_000
# Times after which a situation without an exception needs no other opinion.
_OFTEN = 4


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

        A situation that was seen n times has a vote of n / (n + 1), divided among what was said in it. One that always
        led to the same, and often, is asked alone: name the most particular ones first.
        """
        votes: dict[Hashable, float] = {}
        for situation in situations:
            counts = self._counts.get(situation)
            if counts:
                total = counts.total()
                if len(counts) == 1 and total >= _OFTEN:
                    return next(iter(counts)), total / (total + 0.2)
                for value, count in counts.items():
                    votes[value] = votes.get(value, 0.0) + count / (total + 1)
        if not votes:
            return None
        best = max(votes, key=votes.__getitem__)
        return best, votes[best] / (sum(votes.values()) + 0.1)
