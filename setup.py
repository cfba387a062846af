"""The ROS 2 package molmoact_ros: nodes, tools, launch files and the data of the robot cells."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "molmoact_ros"
ROOT = Path(__file__).resolve().parent
LARGEST_BYTES = 50_000_000
NODES = ("sim", "cameras", "arm", "perception", "reasoning", "controller", "supervisor", "overlay")

EXTRAS = {
    # what a cell runs its networks with; "model" is for published checkpoints and training, "export" makes the graphs
    "onnx": ["onnxruntime>=1.32", "safetensors>=0.4", "opencv-python-headless>=4.8"],
    "model": ["torch>=2.4", "safetensors>=0.4", "tokenizers>=0.21", "opencv-python-headless>=4.8"],
    "export": ["onnx>=1.23", "onnxscript>=0.7"],
    "tensorrt": ["tensorrt-rtx-cu13-libs>=1.7", "tensorrt-rtx-cu13-bindings>=1.7", "cuda-bindings>=13.0.3,<14", "safetensors>=0.4"],
    "sim": ["mujoco>=3.2", "franky-sim>=1.0.4", "franky-control>=2.0", "opencv-python-headless>=4.8", "jinja2>=3.1"],
    # on top of "model", "export" and "sim": data in LeRobot format, curves, bars
    "learning": ["pyarrow>=17", "av>=13", "tensorboard>=2.15", "tqdm>=4.66"],
    "ray": ["ray>=2.9"],
    "robot": ["franky-control>=2.0"],
    "replay": ["rosbags>=0.11", "mcap>=1.2", "mcap-ros2-support>=0.5"],
    "test": ["pytest>=8", "pytest-timeout>=2.3", "hypothesis>=6.100", "psutil>=5.9"],
}


def data_files() -> list[tuple[str, list[str]]]:
    """List what ROS 2 looks for under share/: the index marker, package.xml and the folders an operator edits."""
    share = f"share/{NAME}"
    files = [
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (share, ["package.xml"]),
        (f"{share}/launch", relative(ROOT.glob("launch/*.launch.py"))),
    ]
    for top in ("config", "models", "calibration"):
        for folder in sorted([ROOT / top, *(path for path in (ROOT / top).rglob("*") if path.is_dir())]):
            files.append((f"{share}/{folder.relative_to(ROOT)}", relative(folder.glob("*"))))
    return [(target, sources) for target, sources in files if sources]


def relative(paths) -> list[str]:
    """List the files that belong to the project: checkpoints that somebody fetched into models/ stay where they are."""
    files = (path for path in paths if path.is_file() and not path.name.startswith("."))
    return sorted(str(path.relative_to(ROOT)) for path in files if path.stat().st_size < LARGEST_BYTES)


setup(
    name=NAME,
    version="0.1.0",
    description="Action Reasoning Models on real robots: look, think in the open, move within limits, stop.",
    author="molmoact_ros maintainers",
    author_email="maintainers@molmoact-ros.org",
    maintainer="molmoact_ros maintainers",
    maintainer_email="maintainers@molmoact-ros.org",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["**/*.json", "**/*.yaml", "**/*.xml", "**/*.npz", "**/*.html", "**/*.css", "**/*.js"]},
    data_files=data_files(),
    # PyYAML comes with ROS 2; importing the package needs numpy alone
    install_requires=["setuptools", "numpy", "PyYAML"],
    extras_require=EXTRAS,
    zip_safe=False,
    entry_points={
        "console_scripts": [f"molmoact = {NAME}.cli:main"] + [f"{node} = {NAME}.nodes.{node}:main" for node in NODES],
    },
)
