"""The rules of the house, read from the source: who imports whom, how long things are, what they are called."""

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "molmoact_ros"
BASE = {"errors", "types", "latency", "geometry", "rotation", "config", "places"}
ROOMS = {
    "model",
    "runtime",
    "perception",
    "reasoning",
    "control",
    "safety",
    "arms",
    "sim",
    "learning",
    "evaluation",
    "calibration",
    "replay",
    "console",
}
TOOLS = {"cell", "launcher", "parameter_table", "cli"}
# A room may import itself, the base, and what stands here. Nobody imports nodes.
MAY_IMPORT = {
    "errors": set(),
    "geometry": set(),
    "latency": set(),
    "types": {"errors", "latency"},
    "rotation": {"geometry"},
    "config": {"errors"},
    "places": {"errors"},
    "model": BASE,
    "runtime": BASE | {"model"},
    "perception": BASE,
    "reasoning": BASE | {"runtime"},
    "control": BASE,
    "safety": BASE,
    "arms": BASE,
    "sim": BASE | {"arms"},
    "calibration": BASE | {"arms", "sim"},
    "replay": BASE | ROOMS - {"console"},
    "learning": BASE | ROOMS - {"console", "evaluation"},
    "evaluation": BASE | ROOMS - {"console"} | {"cell", "launcher"},
    "console": BASE | ROOMS,
    "cell": BASE,
    "launcher": BASE | {"cell"},
    "parameter_table": BASE | {"cell"},
    "cli": BASE,
    "nodes": BASE | ROOMS | TOOLS,
}
# Which files may import a package that is not everywhere: a room or a single file each.
MAY_USE = {
    "yaml": {"calibration", "cell", "launcher", "reasoning/manifest", "config"},
    "torch": {"model", "runtime", "learning", "evaluation/parity/cli"},
    "safetensors": {"model", "learning", "evaluation", "runtime"},
    "onnx": {"runtime", "model", "learning"},
    "onnxruntime": {"runtime", "model"},
    "onnxscript": {"runtime", "model"},
    "tensorrt": {"runtime"},
    "tensorrt_rtx": {"runtime"},
    "tensorrt_rtx_bindings": {"runtime"},
    "cuda": {"runtime"},
    "tokenizers": {"model/tokenizer"},
    "cv2": {"perception", "learning", "evaluation"},
    "mujoco": {"sim", "calibration/simulated", "learning"},
    "franky_sim": {"sim"},
    "pinocchio": {"sim/robot"},
    "franky": {"arms"},
    "rosbags": {"replay"},
    "mcap": {"replay"},
    "tqdm": {"learning"},
    "pyarrow": {"learning/lerobot/tables"},
    "av": {"perception/film"},
    "jinja2": {"evaluation/html_report"},
    "ray": {"evaluation/workers"},
    "rclpy": {"nodes"},
    "ament_index_python": {"nodes"},
}
FEW_FILES = {"yaml": 5, "cv2": 4, "mujoco": 7, "franky": 3, "franky_sim": 3, "rosbags": 2, "safetensors": 8}
ROS_MESSAGES = re.compile(r".*(_msgs|_srvs|_interfaces)$")
BAD_NAME = re.compile(r"(util|helper|common|manager|handler)s?(_|$)", re.IGNORECASE)
BAD_CLASS = re.compile(r"(Util|Helper|Manager|Handler)s?$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
MAX_FUNCTION, MAX_CORE, MAX_MODEL, MAX_NODE, MAX_LAUNCH, MAX_COLUMNS = 40, 250, 400, 150, 60, 120


@dataclass
class Source:
    """One file of the package: its path without suffix, as in 'nodes/shell', its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module = field(init=False)

    def __post_init__(self):
        self.tree = ast.parse(self.text)

    @property
    def room(self) -> str:
        """Return the folder, or the file's own name where it lies at the top."""
        return self.name.split("/")[0]

    @property
    def is_node(self) -> bool:
        """Whether it is a process: a file in nodes/ with a main()."""
        return self.room == "nodes" and any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in self.tree.body)


def sources(package: Path) -> list[Source]:
    """Read all files of the package."""
    return [
        Source(str(path.relative_to(package).with_suffix("")), path.read_text())
        for path in sorted(package.rglob("*.py"))
    ]


def imports(source: Source) -> tuple[set[str], set[str]]:
    """Return the own rooms and the foreign top-level packages that a file imports, at its top or inside functions."""
    own, foreign = set(), set()
    for node in ast.walk(source.tree):
        for module in _imported(node, source.name):
            parts = module.split(".")
            if parts[0] != PACKAGE:
                foreign.add(parts[0])
            elif len(parts) > 1 and parts[1] != "__version__":
                own.add(parts[1])
    return own, foreign - set(sys.stdlib_module_names)


def _imported(node, name: str) -> list[str]:
    """Return the absolute names of the modules that one syntax node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    folder = [PACKAGE, *name.split("/")[:-1]]
    prefix = folder[: len(folder) - node.level + 1] if node.level else []
    module = ".".join([*prefix, *([node.module] if node.module else [])])
    return [f"{module}.{alias.name}" for alias in node.names] if module == PACKAGE else [module]


def dependency_faults(files: list[Source]) -> list[str]:
    """Name every import that the house does not allow."""
    faults, users = [], {}
    for source in files:
        own, foreign = imports(source)
        allowed = MAY_IMPORT.get(source.room, set()) | {source.room}
        faults += [f"{source.name} imports {room}" for room in sorted(own - allowed) if source.room != "__init__"]
        for package in sorted(foreign - {"numpy"}):
            users.setdefault(package, []).append(source.name)
            places = {"nodes"} if ROS_MESSAGES.match(package) else MAY_USE.get(package, set())
            if not {source.room, source.name} & places:
                faults.append(f"{source.name} imports {package}")
    for package, most in FEW_FILES.items():
        if len(users.get(package, [])) > most:
            faults.append(f"{package} is imported in {len(users[package])} files, at most {most}: {users[package]}")
    return faults


def size_faults(files: list[Source]) -> list[str]:
    """Name every file, function and line that is too long."""
    faults = []
    for source in files:
        lines = source.text.splitlines()
        most = MAX_NODE if source.is_node else MAX_MODEL if source.room == "model" else MAX_CORE
        if len(lines) > most:
            faults.append(f"{source.name} has {len(lines)} lines, at most {most}")
        faults += [
            f"{source.name}:{i} has {len(line)} columns" for i, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS
        ]
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION:
                    faults.append(f"{source.name}: {node.name} has {length} lines, at most {MAX_FUNCTION}")
    return faults


def name_faults(files: list[Source]) -> list[str]:
    """Name what is called so that it says nothing."""
    faults = [f"{source.name}: file name" for source in files if any(map(BAD_NAME.match, source.name.split("/")))]
    for source in files:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and BAD_CLASS.search(node.name):
                faults.append(f"{source.name}: class {node.name}")
    return faults


def care_faults(files: list[Source]) -> list[str]:
    """Name what is unfinished, swallowed or unexplained: TODOs, silent excepts, missing docstrings."""
    faults = []
    for source in files:
        faults += [f"{source.name}: {word}" for word in UNFINISHED.findall(source.text)]
        faults += [f"{source.name}:{n.lineno} swallows everything" for n in ast.walk(source.tree) if _swallows(n)]
        public = [n for n in ast.walk(source.tree) if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
        public += [n for n in source.tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
        silent = [n.name for n in public if ast.get_docstring(n) is None and n.name != "main"]
        if ast.get_docstring(source.tree) is None:
            silent.append("the file")
        faults += [f"{source.name}: no docstring on {name}" for name in silent]
    return faults


def _swallows(node) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    broad = node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")
    return broad and all(isinstance(statement, (ast.Pass, ast.Continue)) for statement in node.body)
