"""Which of NVIDIA's two inference libraries is installed: TensorRT-RTX for RTX cards, TensorRT for everything else."""

import importlib

from ..errors import InvalidData, MissingPart

RTX, FULL = "tensorrt_rtx", "tensorrt"
# The RTX wheels bring the same module under either name, with and without their metapackage.
MODULES = {RTX: ("tensorrt_rtx", "tensorrt_rtx_bindings"), FULL: ("tensorrt",)}
_INSTALL = {
    RTX: "Run: pip install 'molmoact_ros[tensorrt]'",
    FULL: "Install TensorRT from NVIDIA; on a Jetson it comes with JetPack.",
}


def find_module(backend: str):
    """Import the module of a backend. InvalidData for no such backend; MissingPart says what to install."""
    if backend not in MODULES:
        raise InvalidData(f"backend '{backend}'", f"one of {sorted(MODULES)}", "Choose one of them.")
    for name in MODULES[backend]:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError):  # without the package of the libraries the bindings do not load
            continue
    found = f"no Python module {' or '.join(MODULES[backend])}"
    raise MissingPart(found, f"the bindings and libraries of {backend}", _INSTALL[backend])


def runtime_versions(backend: str) -> dict[str, str]:
    """Return what a manifest states and `refuse` compares: an engine runs with the version that built it."""
    return {backend: find_module(backend).__version__}
