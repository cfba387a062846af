"""Recordings: bags written and read without ROS."""
