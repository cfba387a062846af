"""The arms: what is fixed about them, and the driver that moves them through franky."""
