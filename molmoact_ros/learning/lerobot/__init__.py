"""Action-reasoning data as LeRobot v3 datasets: written, read, checked, and converted from those of others."""
