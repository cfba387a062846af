"""Where the cameras are and how they see: the store, and the calibration of the simulated cell."""
