"""From action chunks to setpoints at a fixed rate: time alignment, blending, speed limits, inverse kinematics."""
