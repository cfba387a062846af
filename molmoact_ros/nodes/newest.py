"""Heavy work beside the executor: one thread, one input slot, the newest value wins."""

import threading
import time


class NewestWins:
    """Call `work(value)` in a thread of its own with the newest value that was put, at most every `period_s`.

    A value that is overtaken before its turn is dropped. An exception in `work` goes to `on_error` and ends the thread.
    """

    def __init__(self, work, on_error, period_s: float = 0.0, name: str = "newest"):
        self._work, self._on_error, self._period_s = work, on_error, period_s
        self._changed = threading.Condition()
        self._value, self._closed = None, False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, value) -> None:
        """Offer a value; never waits for work."""
        with self._changed:
            self.dropped += self._value is not None
            self._value = value
            self._changed.notify()

    def close(self) -> None:
        """Stop after the work in progress."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=5.0)

    def _take(self, not_before_s: float):
        """Wait for a value and for the moment it is due; None when closed."""
        with self._changed:
            while not self._closed:
                wait_s = not_before_s - time.monotonic()
                if self._value is not None and wait_s <= 0:
                    value, self._value = self._value, None
                    return value
                self._changed.wait(wait_s if wait_s > 0 else None)
        return None

    def _run(self) -> None:
        due_s = time.monotonic()
        try:
            while (value := self._take(due_s)) is not None:
                due_s = max(due_s, time.monotonic() - self._period_s) + self._period_s
                self._work(value)
        except Exception as error:
            self._on_error(error)
