"""The ROS shell: the only importers of rclpy and of message packages."""
