"""What the bench of the supervisor measures: every kind of verdict, and memory that does not grow."""

from molmoact_ros.evaluation.bench.safety import line, measure


def test_it_judges_what_passes_and_what_does_not_and_keeps_nothing():
    figures = measure(calls=2000)
    assert sum(v for k, v in figures.items() if k.startswith("verdicts_")) == 2000
    assert min(figures[f"verdicts_{kind}"] for kind in ("pass", "limit", "hold")) > 0
    assert figures["cpu_us_p99"] < 1000
    assert 0 < figures["judge_us_p50"] <= figures["judge_us_p99"] <= figures["judge_us_max"]
    assert figures["growth_bytes_per_call"] < 16
    assert "2000 commands" in line(figures)
