"""x"""
from rclpy.executors import SingleThreadedExecutor
def make_executor(context=None):
    return SingleThreadedExecutor(context=context)
