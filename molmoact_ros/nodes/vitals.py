"""What a node tells /diagnostics once per second: rate and age of every input, and the values it reports."""

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


class Input:
    """Counts the messages of one topic; the age is that of the newest message, from its stamp where it has one."""

    def __init__(self):
        self.count = self.dropped = 0
        self._stamp = None
        self._arrival_ns = 0
        self._since_ns, self._since_count = time.monotonic_ns(), 0

    def arrived(self, msg) -> None:
        """Record one message."""
        self.count += 1
        self._arrival_ns = time.monotonic_ns()
        header = getattr(msg, "header", None)
        self._stamp = header.stamp if header is not None else None

    def rate_hz(self) -> float:
        """Messages per second of wall time since the last call."""
        now, count = time.monotonic_ns(), self.count
        rate = (count - self._since_count) / max((now - self._since_ns) * 1e-9, 1e-3)
        self._since_ns, self._since_count = now, count
        return rate

    def age_s(self, now_ns: int) -> float:
        """Seconds since the newest message was stamped (or came, without a stamp); infinite before the first."""
        if not self.count:
            return float("inf")
        if self._stamp is None:
            return (time.monotonic_ns() - self._arrival_ns) * 1e-9
        return (now_ns - self._stamp.sec * 10**9 - self._stamp.nanosec) * 1e-9


def status_message(node, inputs: dict, values: dict) -> DiagnosticArray:
    """Build the DiagnosticArray of one node; `values[""]` is the problem that turns it to WARN."""
    now_ns, pairs = node.now_ns(), []
    for topic, record in inputs.items():
        pairs += [(f"{topic} rate_hz", f"{record.rate_hz():.1f}"), (f"{topic} age_s", f"{record.age_s(now_ns):.3f}")]
        if record.dropped:
            pairs.append((f"{topic} dropped", str(record.dropped)))
    pairs += [(name, _text(value)) for name, value in values.items() if name]
    problem = values.get("", "")
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN if problem else DiagnosticStatus.OK,
        name=node.get_fully_qualified_name(),
        message=problem or "active",
        values=[KeyValue(key=key, value=value) for key, value in pairs],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = node.get_clock().now().to_msg()
    return message


def plan_report(plan) -> dict:
    """Return what /diagnostics says of a plan: time per part, and tokens, passes and accepted guesses per section."""
    times = {f"{name}_ms": round(ms, 1) for name, ms in plan.latency_ms.items()}
    counts = {
        f"{name}_cost": f"{cost.tokens} tokens, {cost.passes} passes, {cost.accepted} of {cost.drafted} guesses right"
        for name, cost in plan.costs.items()
    }
    return {"plan_ms": times.pop("total_ms"), **times, **counts}


def _text(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
