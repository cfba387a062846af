"""`molmoact launch franka k:=v …`: run the cell's processes where the `launch` package of ROS 2 is not installed.

The same data as launch/franka.launch.py, the same arguments to each process. Every process has a group of its own and
ends with this one, whatever ends it.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from .cell import CELLS, REST_S, NodeSpec
from .config import REQUIRED, describe, nearest
from .errors import ConfigError, MolmoActError

# What is sent to the processes that still run, and how long it may take [s].
_STOPPING = ((signal.SIGINT, 1.5), (signal.SIGTERM, 0.7), (signal.SIGKILL, 0.5))
_POLL_S = 0.05


class ProcessEnded(MolmoActError):
    """A process without which the cell is not complete has ended."""


class CellProcesses:
    """The running processes of one cell. Use as context manager: leaving it stops them all.

    say(name, line) gets every line that a process prints; environment is added to theirs.
    """

    def __init__(self, specs: list[NodeSpec], say=None, environment=None):
        self.specs = {spec.name: spec for spec in specs}
        self.processes: dict[str, subprocess.Popen] = {}
        self._say = say or print_line
        self._environment = {**os.environ, **(environment or {})}
        self._last_error: dict[str, str] = {}
        self._readers: dict[str, threading.Thread] = {}
        self._missed: set[str] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="molmoact_ros-")

    def __enter__(self):
        try:
            for spec in self.specs.values():
                self._start(spec)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def kill(self, name: str) -> None:
        """Kill one process and its children at once, as a crash would."""
        _signal(self.processes[name], signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Start a process anew that has ended."""
        self.processes[name].wait()
        self._missed.discard(name)
        self._start(self.specs[name])

    def check(self) -> None:
        """Raise ProcessEnded when a required process has ended. Say once when another one has."""
        for name, process in self.processes.items():
            if process.poll() is None or name in self._missed:
                continue
            self._missed.add(name)
            if self.specs[name].required:
                raise self._ended(name, process.returncode)
            self._say("launch", f"'{name}' has ended (exit code {process.returncode}); the cell goes on without it")

    def wait(self) -> None:
        """Wait until a required process ends, let the others bring the arm to rest, then raise ProcessEnded."""
        try:
            while True:
                self.check()
                time.sleep(_POLL_S)
        except ProcessEnded:
            time.sleep(REST_S)
            raise

    def stop(self) -> None:
        """Interrupt all, terminate and at last kill those that stay; their children, too. Takes 3 s at most."""
        for number, patience_s in _STOPPING:
            for process in self.processes.values():
                if process.poll() is None:
                    _signal(process, number)
            end = time.monotonic() + patience_s
            while time.monotonic() < end and any(p.poll() is None for p in self.processes.values()):
                time.sleep(0.02)
        for process in self.processes.values():
            _signal(process, signal.SIGKILL)  # children that outlived it
        for reader in self._readers.values():
            reader.join(0.2)
        self._folder.cleanup()

    def _start(self, spec: NodeSpec) -> None:
        process = subprocess.Popen(
            command(spec, Path(self._folder.name)),
            env={**self._environment, **spec.environment, "MOLMOACT_PARENT": str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.processes[spec.name] = process
        reader = threading.Thread(target=self._read, args=(spec.name, process), daemon=True)
        reader.start()
        self._readers[spec.name] = reader

    def _read(self, name: str, process: subprocess.Popen) -> None:
        for line in process.stdout:
            text = line.rstrip("\n").removeprefix(f"[{name}] ")
            if text.startswith("error: "):
                self._last_error[name] = text.removeprefix("error: ")
            self._say(name, text)

    def _ended(self, name: str, code: int) -> ProcessEnded:
        self._readers[name].join(0.5)  # its last words
        why = f": {self._last_error[name]}" if name in self._last_error else f" with exit code {code}"
        return ProcessEnded(f"'{name}' has ended{why}", "it to run with the cell", "Remove the cause and start again.")


def command(spec: NodeSpec, folder: Path) -> list[str]:
    """Return the command line of a process, with the arguments that launch_ros passes; write its parameter file."""
    import yaml

    arguments = ["--ros-args", "-r", f"__node:={spec.name}"]
    if spec.parameters:
        file = folder / f"{spec.name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(spec.parameters)}}, allow_unicode=True))
        arguments += ["--params-file", str(file)]
    for old, new in spec.remappings.items():
        arguments += ["-r", f"{old}:={new}"]
    return [sys.executable, "-m", "molmoact_ros.nodes", spec.executable, *arguments]


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:  # the group is empty: that is what was wanted
        return


def print_line(name: str, line: str) -> None:
    """Print one line of a process behind its name."""
    print(f"[{name}] {line}", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact launch`."""
    parser.add_argument("cell", help=f"kind of cell: {', '.join(CELLS)}")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="launch arguments, see --show-args")
    parser.add_argument("-s", "--show-args", action="store_true", help="show the cell's launch arguments and exit")
    parser.add_argument("-p", "--print", action="store_true", help="print the command lines and exit")


def main(options: argparse.Namespace) -> int:
    """Run `molmoact launch`: until Ctrl-C (exit code 0) or until a required process ends (1); 2 for a wrong usage."""
    try:
        if options.cell not in CELLS:
            near = nearest(options.cell, CELLS) or list(CELLS)
            raise ConfigError(f"unknown cell '{options.cell}'", f"one of {', '.join(CELLS)}", f"Try '{near[0]}'.")
        if options.show_args:
            return show_arguments(options.cell)
        specs = CELLS[options.cell].nodes(parse(options.arguments))
    except ConfigError as error:
        print(f"[launch] error: {error}", file=sys.stderr)
        return 2
    return print_commands(specs) if options.print else run(specs)


def run(specs: list[NodeSpec]) -> int:
    """Run processes until they are told to stop."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with CellProcesses(specs) as cell:
            cell.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)


def parse(arguments: list[str]) -> dict[str, str]:
    """Split name:=value; ConfigError for anything else."""
    for argument in arguments:
        if ":=" not in argument:
            raise ConfigError(f"'{argument}'", "name:=value", "See: molmoact launch franka --show-args")
    return dict(argument.split(":=", 1) for argument in arguments)


def show_arguments(cell: str) -> int:
    """Print the launch arguments of a cell."""
    for row in describe(CELLS[cell].arguments):
        default = "required" if row.default is REQUIRED else f"default: {row.default!r}"
        print(f"  {row.name}:=  {row.type} {row.range} ({default})\n      {row.text}")
    return 0


def print_commands(specs: list[NodeSpec]) -> int:
    """Print what would be run; the parameter files are shown instead of named."""
    with tempfile.TemporaryDirectory() as folder:
        for spec in specs:
            print(shlex.join(command(spec, Path(folder))))
            print("".join(f"    {key}: {value!r}\n" for key, value in spec.parameters.items()), end="")
    return 0
