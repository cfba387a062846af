"""Rate and age of a stream of messages, from arrival times and stamps alone."""

from collections import deque

from .report import percentile


class StreamMeter:
    """Count arrivals; window_s bounds the live figures, the totals run since the last reset."""

    def __init__(self, window_s: float = 3.0, samples: int = 20_000):
        self._window_s = window_s
        self._samples = samples
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._recent = deque()
        self._ages_ms = deque(maxlen=self._samples)
        self._first_s = self.last_s = None
        self.count = 0

    def add(self, arrival_s: float, age_ms: float = float("nan")) -> None:
        """Note one message: arrival on the steady clock [s], age of its stamp [ms of ROS time], NaN if it has none."""
        if self._first_s is None:
            self._first_s = arrival_s
        self.last_s = arrival_s
        self.count += 1
        self._recent.append((arrival_s, age_ms))
        self._ages_ms.append(age_ms)
        while self._recent[0][0] < arrival_s - self._window_s:
            self._recent.popleft()

    @property
    def mean_hz(self) -> float:
        """Mean rate since the reset; NaN before the second message."""
        if self.count < 2 or self.last_s <= self._first_s:
            return float("nan")
        return (self.count - 1) / (self.last_s - self._first_s)

    def live_hz(self, now_s: float) -> float:
        """Rate over the window that ends now: 0 when the stream is silent."""
        recent = [t for t, _ in tuple(self._recent) if t >= now_s - self._window_s]
        if not recent:
            return 0.0
        # Early on the window is not yet filled: divide by the time that there was.
        return len(recent) / max(min(self._window_s, now_s - self._first_s), 0.1)

    def live_age_ms(self) -> float:
        """Median age in the window; NaN without stamps."""
        return percentile([a for _, a in tuple(self._recent)], 50)

    def age_ms(self, q: float) -> float:
        """The q-th percentile of the ages since the reset."""
        return percentile(tuple(self._ages_ms), q)
