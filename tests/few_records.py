"""A handful of made-up records: random pictures with labels that have the right form."""

import numpy as np

from molmoact_ros.learning.records import Records

SENTENCES = ("pick up the red cube", "put the red cube on the blue cube", "push the green can to the left")


def few_records(count: int = 24, labels: int = 2, seed: int = 0) -> Records:
    """Return records of `count` pictures; the last label of every third picture is about nothing in sight."""
    rng = np.random.default_rng(seed)
    state = np.tile([0.5, 0.0, 0.2, np.pi, 0.0, 0.0, 0.04], (count, 1)) + rng.normal(0, 0.01, (count, 7))
    chunk = np.tile([0.5, 0.0, 0.2, np.pi, 0.0, 0.0, 1.0], (count, labels, 8, 1)) + rng.normal(
        0, 0.01, (count, labels, 8, 7)
    )
    length = np.full((count, labels), 5)
    length[::3, -1] = 0
    points = rng.uniform(0.1, 0.9, (count, labels, 3, 2))
    points[length == 0] = np.nan
    rows = np.arange(0, count, 2)
    return Records(
        image=rng.integers(0, 256, (count, 120, 160, 3), dtype=np.uint8),
        state=state.astype(np.float32),
        instruction=rng.integers(0, len(SENTENCES), (count, labels)),
        trace=rng.integers(0, 256, (count, labels, 5, 2), dtype=np.uint8),
        trace_length=length,
        chunk=chunk.astype(np.float32),
        points=points.astype(np.float32),
        far=rng.random((count, labels)) < 0.5,
        episode=np.repeat(np.arange(count // 6), 6),
        depth_codes=rng.integers(0, 128, (len(rows), 100), dtype=np.uint8),
        depth_rows=rows,
        instructions=SENTENCES,
    )
