"""Frames from camera and robot streams, depth as tokens, and what an operator sees of them."""
