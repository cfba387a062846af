"""The plan of the house holds: dependencies, sizes, names, and an import that needs numpy alone."""

import subprocess
import sys
from pathlib import Path

import house_rules
import pytest
from house_rules import Source

from molmoact_ros.cell import CONFIGS
from molmoact_ros.cli import TOOLS

ROOT = Path(__file__).resolve().parents[2]
FILES = house_rules.sources(ROOT / "molmoact_ros")
RULES = [house_rules.dependency_faults, house_rules.size_faults, house_rules.name_faults, house_rules.care_faults]

# Refuses every package outside the standard library but numpy and this one, as if it were not installed.
NUMPY_ALONE = """
import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ({*sys.stdlib_module_names, "numpy", "molmoact_ros"}):
            raise ModuleNotFoundError(f"{name} is refused", name=name)
for name in [name for name in sys.modules if name.split(".")[0] not in {*sys.stdlib_module_names, "numpy"}]:
    del sys.modules[name]
sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    import_module(name)
"""


def import_with_numpy_alone(*modules):
    return subprocess.run([sys.executable, "-c", NUMPY_ALONE, *modules], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_follows_its_rules(rule):
    assert len(FILES) > 40
    assert rule(FILES) == []


def test_every_room_has_a_rule():
    rooms = {source.room for source in FILES} - {"__init__"}
    assert rooms - set(house_rules.MAY_IMPORT) == set()


def test_launch_files_are_short():
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "launch").glob("*.py")}
    assert lengths and max(lengths.values()) <= house_rules.MAX_LAUNCH


def test_the_package_needs_numpy_alone():
    base = [f"molmoact_ros.{name}" for name in house_rules.BASE]
    configs = [path.split(":")[0] for path in CONFIGS.values()]
    tools = ["molmoact_ros", "molmoact_ros.cli", "molmoact_ros.cell", "molmoact_ros.launcher"]
    done = import_with_numpy_alone(*tools, *base, *configs)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["yaml", "pytest"])
def test_the_proof_of_numpy_alone_can_fail(package):
    assert f"{package} is refused" in import_with_numpy_alone(package).stderr


def test_every_tool_of_the_command_line_is_there():
    names = {source.name.replace("/", ".") for source in FILES}
    assert {module for module, _ in TOOLS.values()} - names == set()


@pytest.mark.parametrize(
    "rule, name, text, fault",
    [
        ("dependency", "safety/checks", "from ..control import setpoints", "safety/checks imports control"),
        (
            "dependency",
            "safety/checks",
            "def f():\n    from molmoact_ros.sim import world",
            "safety/checks imports sim",
        ),
        ("dependency", "control/x", "from .. import nodes", "control/x imports nodes"),
        ("dependency", "evaluation/x", "import molmoact_ros.nodes.shell", "evaluation/x imports nodes"),
        ("dependency", "types", "from .geometry import lift", "types imports geometry"),
        ("dependency", "control/x", "import torch.nn as nn", "control/x imports torch"),
        ("dependency", "console/x", "from sensor_msgs.msg import Image", "console/x imports sensor_msgs"),
        ("dependency", "sim/x", "import scipy", "sim/x imports scipy"),
        ("size", "safety/x", "a = 1\n" * 251, "safety/x has 251 lines, at most 250"),
        ("size", "model/x", "a = 1\n" * 401, "model/x has 401 lines, at most 400"),
        ("size", "nodes/x", "def main():\n    pass\n" + "a = 1\n" * 149, "nodes/x has 151 lines, at most 150"),
        ("size", "safety/x", "def f():\n" + "    a = 1\n" * 40, "safety/x: f has 41 lines, at most 40"),
        ("size", "safety/x", "a = '" + "b" * 116 + "'", "safety/x:1 has 122 columns"),
        ("name", "control/utils", "", "control/utils: file name"),
        ("name", "control/x", "class PlanManager:\n    pass", "control/x: class PlanManager"),
        ("care", "control/x", "'''d'''\ntry:\n    f()\nexcept Exception:\n    pass", "control/x:4 swallows everything"),
        ("care", "control/x", "'''d'''\n# TODO: later", "control/x: TODO"),
        ("care", "control/x", "'''d'''\ndef f():\n    return 1", "control/x: no docstring on f"),
        ("care", "control/x", "a = 1", "control/x: no docstring on the file"),
    ],
)
def test_each_rule_sees_what_it_forbids(rule, name, text, fault):
    assert getattr(house_rules, f"{rule}_faults")([Source(name, text)]) == [fault]


def test_a_heavy_package_spreads_no_further():
    files = [Source(f"sim/x{i}", "import franky_sim") for i in range(4)]
    assert any(
        "franky_sim is imported in 4 files, at most 3" in fault for fault in house_rules.dependency_faults(files)
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_good_code_has_no_faults(rule):
    text = '"""A file."""\nimport numpy as np\nfrom ..types import Frame\n\n\ndef f(frame):\n    """Do it."""\n    return np\n'
    assert rule([Source("safety/x", text)]) == []
