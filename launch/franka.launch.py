"""The Franka cell: ros2 launch molmoact_ros franka.launch.py sim:=true instruction:='pick up the red cube'.

No logic here: arguments and nodes are data in molmoact_ros/cell.py, which `molmoact launch franka` reads as well.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, TimerAction
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from molmoact_ros.cell import CELLS, PACKAGE, REST_S
from molmoact_ros.config import describe

CELL = CELLS["franka"]


def generate_launch_description() -> LaunchDescription:
    """Declare the cell's arguments; its nodes follow when their values are known."""
    arguments = [
        DeclareLaunchArgument(row.name, default_value=str(row.default), description=f"{row.text} {row.range}".strip())
        for row in describe(CELL.arguments)
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context) -> list[Node]:
    """Return the nodes. An argument that nobody declared is refused; launch itself would ignore it."""
    declared = {row.name: context.launch_configurations[row.name] for row in describe(CELL.arguments)}
    given = dict(argument.split(":=", 1) for argument in context.argv if ":=" in argument)
    return [action(spec) for spec in CELL.nodes({**given, **declared})]


def action(spec) -> Node:
    """Turn one NodeSpec into a launch action; when a required process ends, so does the launch, with exit code 1."""
    return Node(
        package=PACKAGE,
        executable=spec.executable,
        name=spec.name,
        parameters=[{key: exact(value) for key, value in spec.parameters.items()}],
        remappings=list(spec.remappings.items()),
        additional_env=dict(spec.environment),
        output="screen",
        on_exit=[TimerAction(period=REST_S, actions=[OpaqueFunction(function=end, args=[spec.name])])]
        if spec.required
        else None,
    )


def exact(value):
    """Keep launch from guessing the type of a text."""
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value


def end(context, name: str):
    """End the launch; launch turns the exception into its exit code."""
    if context.is_shutdown:
        return
    raise RuntimeError(f"'{name}' has ended and the cell is not complete without it: read its message above.")
