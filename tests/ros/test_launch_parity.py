"""ROS 2 launch and `molmoact launch` start the same processes with the same arguments.

Needs the `launch` and `launch_ros` packages of a ROS 2 installation; the wheels do not have them.
"""

from pathlib import Path

import pytest
import yaml

# not "launch": the folder of that name in the repository would be found
pytest.importorskip("launch_ros", reason="ROS 2 launch is not installed here (it is not on PyPI)")

from launch.actions import EmitEvent, IncludeLaunchDescription, RegisterEventHandler  # noqa: E402
from launch.event_handlers import OnProcessStart  # noqa: E402
from launch.events import Shutdown  # noqa: E402

from launch import LaunchDescription, LaunchService  # noqa: E402
from molmoact_ros.cell import CELLS  # noqa: E402
from molmoact_ros.launcher import command, parse  # noqa: E402

LAUNCH_FILE = Path(__file__).resolve().parents[2] / "launch" / "franka.launch.py"


def told(arguments: list[str]) -> list:
    """Return the arguments of a command line, the content of a parameter file in place of its name."""
    return [read(word) if before == "--params-file" else word for before, word in zip(["", *arguments], arguments)]


def read(file: str) -> dict:
    """Read a parameter file; launch_ros writes lists as tuples, which is the same to ROS."""
    content = yaml.load(Path(file).read_text(), Loader=yaml.UnsafeLoader)
    values = content["/**"]["ros__parameters"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def started_by_launch(arguments: list[str]) -> dict[str, list]:
    """Start the launch file for a moment; return what each process was started with."""
    started = {}

    def note(event, context):
        started[event.process_name.rsplit("-", 1)[0]] = [Path(event.cmd[0]).name, *told(event.cmd[1:])]
        return EmitEvent(event=Shutdown(reason="seen")) if len(started) == expected else None

    expected = len(CELLS["franka"].nodes(parse(arguments)))
    include = IncludeLaunchDescription(str(LAUNCH_FILE), launch_arguments=parse(arguments).items())
    service = LaunchService(argv=arguments)
    service.include_launch_description(
        LaunchDescription([RegisterEventHandler(OnProcessStart(on_start=note)), include])
    )
    service.run(shutdown_when_idle=True)
    return started


@pytest.mark.parametrize(
    "arguments",
    [
        ["sim:=true", "instruction:=pick up: the 'red' cube, yes", "seed:=7"],
        ["sim:=true", "speed_scale:=0.5", "command_space:=ee", "instruction:=true"],
    ],
)
def test_both_launchers_start_the_same(arguments, tmp_path):
    wanted = {}
    for spec in CELLS["franka"].nodes(parse(arguments)):
        line = command(spec, tmp_path)
        wanted[spec.name] = told(line[line.index(spec.executable) :])
    assert started_by_launch(arguments) == wanted
