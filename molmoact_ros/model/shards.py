"""The tensors of a checkpoint folder: one safetensors file, or shards with an index. Headers first, data on demand."""

import json
from os.path import isfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..errors import InvalidData, MissingPart

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ENDING = ".safetensors"


class Shards:
    """Names, shapes and tensors of `folder`, which may also be a single .safetensors file.

    MissingPart when there are no weights or a shard is not there, InvalidData when one is damaged. Only safetensors
    are read: a pickle may hold code. framework: what `read` returns, "pt" tensors or "np" arrays.
    """

    def __init__(self, folder, framework: str = "pt"):
        self.folder, self._framework = Path(folder), framework
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._file_of: dict[str, Path] = {}
        for path in self._files():
            with _opened(path, self._framework) as shard:
                for name in shard.keys():
                    part = shard.get_slice(name)
                    if not part.get_dtype().startswith(("F", "BF")):
                        raise InvalidData(f"'{path}': '{name}' is {part.get_dtype()}", "floats", "Fetch it again.")
                    if name in self.shapes:
                        found = f"tensor '{name}' in both '{self._file_of[name].name}' and '{path.name}'"
                        raise InvalidData(found, "each tensor once", "Fetch the checkpoint again.")
                    self.shapes[name], self._file_of[name] = tuple(part.get_shape()), path

    def read(self, name: str):
        """Return one tensor as it is stored.

        The file is opened for each tensor: its pages are mapped into memory, and only closing gives them back.
        """
        with _opened(self._file_of[name], self._framework) as shard:
            return shard.get_tensor(name)

    def _files(self) -> list[Path]:
        if self.folder.is_file():
            return [self.folder]
        if (self.folder / INDEX).is_file():
            paths = [self.folder / name for name in _indexed(self.folder / INDEX)]
        else:
            paths = [self.folder / SINGLE]
        missing = [path.name for path in paths if not isfile(path)]
        if missing:
            raise MissingPart(f"no '{missing[0]}' in '{self.folder}'", self._expected(), "Fetch the checkpoint again.")
        return paths

    def _expected(self) -> str:
        pickles = [path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in self.folder.glob(pattern)]
        pickled = f"; '{pickles[0]}' is a pickle, which may hold code and is not opened" if pickles else ""
        return f"weights as safetensors ({SINGLE}, or shards with {INDEX}){pickled}"


def _indexed(path: Path) -> list[str]:
    """List the shards that an index names."""
    try:
        names = sorted(set(map(str, json.loads(path.read_text())["weight_map"].values())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"'{path}' cannot be read ({type(error).__name__})"
        raise InvalidData(found, "JSON with 'weight_map'", "Fetch it again.") from None
    # the manifest pins files of the folder with this ending and without a dot in front, and no others
    strange = [name for name in names if Path(name).name != name or not name.endswith(ENDING) or name[0] == "."]
    if strange:
        found = f"'{path}' names '{strange[0][:120]}'"
        raise InvalidData(found, f"{ENDING} files of its own folder", "Fetch it again.")
    return names


def _opened(path: Path, framework: str):
    try:
        return safe_open(path, framework=framework)
    except (SafetensorError, OSError) as error:
        found = f"'{path}' cannot be read ({str(error)[:120]})"
        raise InvalidData(found, "a whole safetensors file", "Fetch it again.") from None
