"""What the cell achieves, measured: the demo, closed-loop suites, and their reports."""
