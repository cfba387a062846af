"""Action Reasoning Models on real robots: look, think in the open, move within limits, stop."""

__version__ = "0.1.0"
