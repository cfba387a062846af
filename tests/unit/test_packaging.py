"""What setup.py, package.xml, the lock files and the workspace promise holds together."""

import ast
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import molmoact_ros

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = re.compile(r"^[a-z0-9][a-z0-9-]*==[0-9][A-Za-z0-9.]*$")


def setup_tree() -> ast.Module:
    return ast.parse((ROOT / "setup.py").read_text())


def setup_value(name: str):
    """Evaluate one keyword of the setup() call, or one constant of setup.py, without running setup()."""
    tree = setup_tree()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    call = next(node for node in calls if getattr(node.func, "id", "") == "setup")
    value = next(keyword.value for keyword in call.keywords if keyword.arg == name)
    names = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    scope = {key: ast.literal_eval(names[key]) for key in ("NAME", "NODES")}
    return eval(compile(ast.Expression(value), "setup.py", "eval"), scope)


def scripts() -> dict[str, str]:
    return dict(line.split(" = ") for line in setup_value("entry_points")["console_scripts"])


@pytest.mark.parametrize("script", sorted(scripts()))
def test_every_console_script_names_a_function_that_exists(script):
    module, function = scripts()[script].split(":")
    source = ROOT / (module.replace(".", "/") + ".py")
    assert source.is_file(), f"setup.py names {module} for '{script}', and {source} is not there"
    bound = {node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert function in bound


def test_versions_agree():
    manifests = [ROOT / "package.xml", ROOT / "ros2_ws/src/molmoact_msgs/package.xml"]
    versions = {ElementTree.parse(path).findtext("version") for path in manifests}
    assert versions == {setup_value("version")} == {molmoact_ros.__version__}


def test_every_requirement_is_pinned_once():
    pins = [line for lock in LOCKS for line in lock.read_text().splitlines() if not line.startswith("#")]
    assert len(LOCKS) == 3 and len(pins) > 100
    assert [line for line in pins if not PINNED.match(line)] == []
    names = [line.split("==")[0] for line in pins]
    assert sorted(set(names)) == sorted(names)


def test_every_wanted_package_is_locked():
    for source in sorted((ROOT / "requirements").glob("*.in")):
        locked = {line.split("==")[0] for lock in LOCKS for line in lock.read_text().splitlines()}
        wanted = {line.split("==")[0].lower() for line in source.read_text().splitlines() if line[:1] not in ("", "#")}
        assert wanted - locked == set(), f"run tools/lock.py: {source.name} names packages that no lock file has"


def locked(*names: str) -> set[str]:
    lines = [line for name in names for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()]
    return {line.split("==")[0] for line in lines if not line.startswith("#")}


def test_the_cell_installs_neither_torch_nor_the_tools_of_development():
    heavy = {"torch", "onnx", "onnxscript", "hypothesis", "cuda-bindings"}
    heavy |= {"tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu13-bindings"}
    assert heavy <= locked("dev") and not heavy & locked("runtime", "build")
    assert {"onnxruntime", "numpy", "ros-rclpy"} <= locked("runtime") and "colcon-core" in locked("build")


def test_every_extra_that_an_error_names_is_there():
    extras = {node.targets[0].id: node.value for node in setup_tree().body if isinstance(node, ast.Assign)}["EXTRAS"]
    named = {}
    for path in (ROOT / "molmoact_ros").rglob("*.py"):
        for extra in re.findall(r"missing_package\(.*\"([a-z]+)\"\)", path.read_text()):
            named.setdefault(extra, path.name)
    assert len(named) >= 4 and set(named) <= set(ast.literal_eval(extras)), named


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in (ROOT / "molmoact_ros").rglob("*.py")}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_the_workspace_links_the_root_package():
    assert os.readlink(ROOT / "ros2_ws/src/molmoact_ros") == "../.."
    assert (ROOT / "resource/molmoact_ros").is_file()


def test_ros_packages_that_nodes_import_are_declared():
    declared = {node.text for node in ElementTree.parse(ROOT / "package.xml").iter("exec_depend")}
    imported = set()
    for path in (ROOT / "molmoact_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            imported |= {name.split(".")[0] for name in names}
    ros = {name for name in imported if name == "rclpy" or name.endswith(("_msgs", "_srvs", "_interfaces"))}
    assert ros - declared == set()
