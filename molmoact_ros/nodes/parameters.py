"""ROS parameters from a config dataclass, and back."""

from dataclasses import MISSING, fields

from rcl_interfaces.msg import ParameterDescriptor

from ..config import REQUIRED, describe

_OF_ROS = ("use_sim_time", "start_type_description_service", "autostart")


def declare_parameters(node, config_class) -> None:
    """Declare every option, and `autostart`. `config.build` checks types, so that 1 is accepted where 1.0 is meant."""
    _declare(node, "autostart", True, "configure and activate when the process starts", "")
    for row in describe(config_class):
        unit = f" [{row.unit}]" if row.unit else ""
        default = None if row.default is REQUIRED else row.default
        _declare(node, row.name, default, row.text + unit, row.range)


def _declare(node, name: str, default, text: str, constraints: str) -> None:
    descriptor = ParameterDescriptor(description=text, additional_constraints=constraints, dynamic_typing=True)
    if node.has_parameter(name):
        node.set_descriptor(name, descriptor)
    else:
        node.declare_parameter(name, default, descriptor)


def parameter_values(node, config_class) -> dict:
    """Return all parameters that have a value, also unknown ones: `config.build` refuses those by name."""
    with_default = {f.name for f in fields(config_class) if f.default is not MISSING}
    values = {}
    for name, parameter in node.get_parameters_by_prefix("").items():
        of_ros = name in _OF_ROS or name.startswith("qos_overrides.")
        not_set = parameter.value is None and name not in with_default
        if not of_ros and not not_set:
            values[name] = parameter.value
    return values
