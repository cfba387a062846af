"""The robot cell as data: which processes, with which parameters. ros2 launch and `molmoact launch` read one list.

CELLS["franka"].nodes({"sim": "true", "instruction": "pick up the red cube"}) -> [NodeSpec, ...]
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Mapping

from .config import build, option, refuse_unknown
from .errors import ConfigError
from .places import data_root, locate

PACKAGE = "molmoact_ros"
SIMULATED_ROBOT_IP = "127.0.0.1"
# When one process has died the others get this long to bring the arm to rest before they are stopped, too.
REST_S = 1.5

CONFIGS = {
    "sim": "molmoact_ros.sim.config:SimConfig",
    "cameras": "molmoact_ros.sim.config:CamerasConfig",
    "arm": "molmoact_ros.arms.config:ArmConfig",
    "perception": "molmoact_ros.perception.config:PerceptionConfig",
    "reasoning": "molmoact_ros.reasoning.config:ReasoningConfig",
    "controller": "molmoact_ros.control.config:ControlConfig",
    "supervisor": "molmoact_ros.safety.config:SafetyConfig",
    "overlay": "molmoact_ros.perception.config:OverlayConfig",
}
_OF_SIMULATION = ("sim", "cameras")
# The overlay is for the eyes alone: the cell goes on without it.
_NOT_VITAL = ("overlay",)
_SCALED = {"controller": ("max_tip_speed", "max_turn_speed", "joint_speed_fraction"), "arm": ("velocity_factor",)}
# What nobody chose: a robot beside people starts slowly.
_ROBOT_SPEED = 0.05
_FILES = {
    "calibration": "Calibrate the cameras and name the file in the configuration of the cell.",
    "depth_model": "Fetch the weights with git, or train them: molmoact train depth-vqvae",
    "checkpoint": "Fetch the weights with git, name another folder, or train them: molmoact train embedded",
}
# One thread per process for small matrices: eight processes share few cores.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
# A simulated clock and a simulated arm are nobody else's business on the network.
SIMULATION_ENVIRONMENT = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
_DDS_PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


def process_environment() -> dict[str, str]:
    """Return the environment of every process of a cell and of one that watches it; the user's DDS file wins."""
    profiles = os.environ.get(_DDS_PROFILES) or str(data_root() / "config" / "fastdds.xml")
    return {**_ENVIRONMENT, _DDS_PROFILES: profiles}


@dataclass(frozen=True)
class NodeSpec:
    """One process of the cell. A cell without a `required` one is not complete and ends."""

    name: str
    executable: str
    parameters: Mapping[str, Any]
    required: bool = True
    remappings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=process_environment)


@dataclass(frozen=True)
class Cell:
    """One kind of cell: a dataclass of launch arguments, and the nodes that follow from them."""

    name: str
    arguments: type
    specs: Callable[[Any], list[NodeSpec]]

    def nodes(self, given: Mapping[str, Any]) -> list[NodeSpec]:
        """Check the launch arguments (ConfigError) and return the processes, all parameters checked."""
        refuse_unknown(given, [f.name for f in fields(self.arguments)], f"argument of the cell '{self.name}'")
        return self.specs(build(self.arguments, given))


@dataclass(frozen=True)
class FrankaArguments:
    """What a person may say when starting the Franka cell."""

    sim: bool = option(True, "simulated robot and cameras; false: the robot at robot_ip and realsense2_camera")
    robot_ip: str = option("", "address of the robot; the simulated one listens on a loopback address")
    instruction: str = option("", "what to do from the start, as in 'pick up the red cube'")
    seed: int = option(0, "layout of the simulated table", low=0, high=2**31 - 1)
    dry_run: str = option(
        "auto", "true: the arm does not move; auto: only the simulated one moves", choices=("auto", "true", "false")
    )
    speed_scale: float = option(0.0, "share of full speed; 0: all in simulation, 5 % on a robot", low=0.0, high=1.0)
    command_space: str = option("joint", "what the arm is given: joint angles or tip poses", choices=("joint", "ee"))
    checkpoint: str = option("models/embedded", "folder of the model's weights")
    backend: str = option("auto", "what runs the network: auto, onnx, torch, tensorrt")


def config_class(node: str) -> type:
    """Import and return the configuration dataclass of a node."""
    module, name = CONFIGS[node].split(":")
    return getattr(import_module(module), name)


def _franka(arguments: FrankaArguments) -> list[NodeSpec]:
    if not arguments.sim and not arguments.robot_ip:
        raise ConfigError("sim:=false without robot_ip", "the address of the robot", "Add robot_ip:=172.16.0.2")
    options = _read("franka_sim.yaml" if arguments.sim else "franka.yaml")
    names = [name for name in CONFIGS if arguments.sim or name not in _OF_SIMULATION]
    for name, values in _of_arguments(arguments).items():
        options.setdefault(name, {}).update(values)
    return [_spec(name, options.get(name, {}), arguments) for name in names]


def _of_arguments(arguments: FrankaArguments) -> dict[str, dict]:
    """Return the parameters that follow from the launch arguments, per node."""
    robot_ip = arguments.robot_ip or SIMULATED_ROBOT_IP
    dry_run = not arguments.sim if arguments.dry_run == "auto" else arguments.dry_run == "true"
    return {
        "sim": {"robot_ip": robot_ip, "seed": arguments.seed},
        "cameras": {"robot_ip": robot_ip},
        "arm": {"robot_ip": robot_ip, "dry_run": dry_run},
        "reasoning": {
            "checkpoint": arguments.checkpoint,
            "instruction": arguments.instruction,
            "backend": arguments.backend,
        },
        "controller": {"command_space": arguments.command_space},
        "supervisor": {"command_space": arguments.command_space},
    }


def _spec(name: str, options: dict, arguments: FrankaArguments) -> NodeSpec:
    """Check the options of one node and turn them into parameters of the types that ROS wants."""
    for key in _FILES.keys() & options.keys():
        options[key] = locate(options[key], key.replace("_", " "), _FILES[key])
    config = build(config_class(name), options)
    scale = arguments.speed_scale or (1.0 if arguments.sim else _ROBOT_SPEED)
    scaled = {key: getattr(config, key) * scale for key in _SCALED.get(name, ())}
    values = {key: getattr(config, key) for key in options} | (scaled if scale != 1.0 else {})
    parameters = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    if arguments.sim and name != "sim":
        parameters["use_sim_time"] = True
    environment = _ENVIRONMENT | (SIMULATION_ENVIRONMENT if arguments.sim else {})
    return NodeSpec(name, name, parameters, required=name not in _NOT_VITAL, environment=environment)


def _read(file_name: str) -> dict[str, dict]:
    """Read config/<file_name>: node -> option -> value, differences from the defaults alone."""
    import yaml

    path = Path(data_root(), "config", file_name)
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}".replace("\n", " "), "a YAML file", "Correct the file.") from None
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise ConfigError(f"{path}", "node: {option: value} at its two levels", "Correct the file.")
    refuse_unknown(content, CONFIGS, f"node in {path}")
    for name, options in content.items():
        kind = config_class(name)
        refuse_unknown(options, [f.name for f in fields(kind)], f"option of {kind.__name__}")
    return content


CELLS = {"franka": Cell("franka", FrankaArguments, _franka)}
