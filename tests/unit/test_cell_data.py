"""The Franka cell as data: what follows from the launch arguments, and what is refused before anything starts."""

import ast
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from molmoact_ros import cell as cells
from molmoact_ros.cell import CELLS, CONFIGS, NodeSpec, config_class
from molmoact_ros.config import build, describe
from molmoact_ros.errors import ConfigError, MissingPart
from molmoact_ros.launcher import command, parse

ROOT = Path(__file__).resolve().parents[2]
FRANKA = CELLS["franka"]


@pytest.fixture
def calibrated(monkeypatch, tmp_path):
    """A real cell whose cameras are calibrated: the repository cannot ship that file."""
    content = cells._read("franka.yaml")
    file = tmp_path / "cameras.yaml"
    file.write_text("")
    content["perception"]["calibration"] = str(file)
    simulated = cells._read("franka_sim.yaml")
    monkeypatch.setattr(cells, "_read", lambda name: content if name == "franka.yaml" else simulated)


def parameters(**given) -> dict[str, dict]:
    return {spec.name: dict(spec.parameters) for spec in FRANKA.nodes(given)}


def without_ros(values: dict) -> dict:
    return {key: value for key, value in values.items() if key != "use_sim_time"}


def test_the_simulated_cell():
    found = parameters(instruction="pick up the red cube", seed="7")
    assert list(found) == list(CONFIGS)
    assert found["sim"]["seed"] == 7 and found["sim"]["robot_ip"] == found["arm"]["robot_ip"] == "127.0.0.1"
    assert found["reasoning"]["instruction"] == "pick up the red cube"
    assert found["arm"]["dry_run"] is False and found["supervisor"]["arm_on_start"] is True
    assert "use_sim_time" not in found["sim"]
    assert all(values["use_sim_time"] is True for name, values in found.items() if name != "sim")


def test_the_real_cell_is_careful(calibrated):
    found = parameters(sim="false", robot_ip="172.16.0.2")
    assert not {"sim", "cameras"} & set(found)
    assert found["arm"]["robot_ip"] == "172.16.0.2" and found["arm"]["dry_run"] is True
    assert "arm_on_start" not in found["supervisor"]
    assert not any("use_sim_time" in values for values in found.values())
    assert parameters(sim="false", robot_ip="172.16.0.2", dry_run="false")["arm"]["dry_run"] is False


def test_every_parameter_is_an_option_of_its_node():
    for name, values in parameters().items():
        values = without_ros(values)
        config = build(config_class(name), values)
        for key, value in values.items():
            assert getattr(config, key) == (tuple(value) if isinstance(value, list) else value)


def test_speed_scale_slows_the_setpoints():
    full = build(config_class("controller"), without_ros(parameters()["controller"]))
    slow = build(config_class("controller"), without_ros(parameters(speed_scale="0.5")["controller"]))
    for name in ("max_tip_speed", "max_turn_speed", "joint_speed_fraction"):
        assert getattr(slow, name) == pytest.approx(getattr(full, name) / 2)
    assert slow.rate_hz == full.rate_hz


def test_a_robot_starts_at_five_percent_unless_told_otherwise(calibrated):
    found = parameters(sim="false", robot_ip="172.16.0.2")
    full = parameters(sim="false", robot_ip="172.16.0.2", speed_scale="1.0")
    for node, name in (("controller", "max_tip_speed"), ("arm", "velocity_factor")):
        assert found[node][name] == pytest.approx(0.05 * full[node][name])
    assert found["arm"]["dry_run"] is True and full["arm"]["dry_run"] is True


def test_the_simulation_stays_on_this_machine():
    assert {s.environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") for s in CELLS["franka"].nodes({})} == {"LOCALHOST"}


def test_command_space_is_said_to_both_sides():
    found = parameters(command_space="ee")
    assert found["controller"]["command_space"] == found["supervisor"]["command_space"] == "ee"


def test_only_the_overlay_may_be_missing():
    assert [spec.name for spec in FRANKA.nodes({}) if not spec.required] == ["overlay"]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"robotip": "1.2.3.4"}, "unknown argument of the cell 'franka' 'robotip'; .* Did you mean 'robot_ip'?"),
        ({"sim": "perhaps"}, "sim = 'perhaps'; expected bool"),
        ({"sim": "false"}, "sim:=false without robot_ip"),
        ({"seed": "-1"}, "seed = '-1'; expected int in 0"),
        ({"speed_scale": "2"}, "speed_scale = '2'"),
        ({"command_space": "tool"}, r"expected str in \{joint, ee\}"),
    ],
)
def test_bad_arguments_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        FRANKA.nodes(given)


def test_missing_files_are_named(monkeypatch):
    with pytest.raises(MissingPart, match="no checkpoint at 'nowhere'.*molmoact train embedded"):
        FRANKA.nodes({"checkpoint": "nowhere"})
    with pytest.raises(MissingPart, match="no calibration at"):
        FRANKA.nodes({"sim": "false", "robot_ip": "172.16.0.2"})


@pytest.mark.parametrize(
    "text, message",
    [
        ("supervisr: {}", "unknown node in .* Did you mean 'supervisor'"),
        ("supervisor: {table_y_m: 0.0}", "unknown option of SafetyConfig 'table_y_m'; .* Did you mean 'table_z_m'"),
        ("supervisor: 3", "expected node: {option: value}"),
        ("supervisor: [", "expected a YAML file"),
    ],
)
def test_bad_configuration_files_are_refused(tmp_path, monkeypatch, text, message):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "franka_sim.yaml").write_text(text)
    monkeypatch.setattr(cells, "data_root", lambda: tmp_path)
    with pytest.raises(ConfigError, match=message):
        FRANKA.nodes({})


def test_the_launch_file_has_no_data_of_its_own():
    source = (ROOT / "launch" / "franka.launch.py").read_text()
    words = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    own = {*CONFIGS, *(row.name for row in describe(FRANKA.arguments))}
    own |= {f.name for name in CONFIGS for f in fields(config_class(name))}
    assert not own & words


def test_command_line_of_a_process(tmp_path):
    spec = NodeSpec("eyes", "overlay", {"rate_hz": 2.0}, remappings={"overlay/image": "picture"})
    line = command(spec, tmp_path)
    assert line[:6] == [sys.executable, "-m", "molmoact_ros.nodes", "overlay", "--ros-args", "-r"]
    assert line[6:] == ["__node:=eyes", "--params-file", str(tmp_path / "eyes.yaml"), "-r", "overlay/image:=picture"]
    assert "rate_hz: 2.0" in (tmp_path / "eyes.yaml").read_text()


def test_arguments_are_pairs():
    assert parse(["a:=1", "b:=x:=y"]) == {"a": "1", "b": "x:=y"}
    with pytest.raises(ConfigError, match="'sim=true'; expected name:=value"):
        parse(["sim=true"])


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["launch", "franka", "simm:=true"], 2, "Did you mean 'sim'?"),
        (["launch", "frank"], 2, "Try 'franka'."),
        (["launch", "franka", "checkpoint:=nowhere"], 1, "no checkpoint at 'nowhere'"),
        (["lunch"], 2, "invalid choice: 'lunch'"),
        ([], 2, "required: TOOL"),
    ],
)
def test_wrong_usage_is_one_line(arguments, code, said):
    done = subprocess.run([sys.executable, "-m", "molmoact_ros.cli", *arguments], capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("usage:")]
    assert done.returncode == code and len(errors) == 1 and said in errors[0]


@pytest.mark.parametrize("tool", [["--help"], ["launch", "--help"], ["launch", "franka", "-s"], ["params"]])
def test_help_is_there(tool):
    done = subprocess.run([sys.executable, "-m", "molmoact_ros.cli", *tool], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout and not done.stderr
