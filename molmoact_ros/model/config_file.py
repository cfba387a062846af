"""Read config.json of a checkpoint folder, published or embedded. Needs no torch."""

import json
from pathlib import Path

from ..errors import InvalidData, MissingPart
from .config import NetworkConfig
from .published_config import from_published, is_published


def read_config(folder) -> dict:
    """Return config.json of a checkpoint folder as plain data. MissingPart or InvalidData."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        do = "Give checkpoint:=FOLDER of a whole checkpoint, or make one: molmoact train embedded"
        raise MissingPart(f"no config.json in '{folder}'", "a checkpoint folder", do)
    return read_object(path)


def read_object(path: Path) -> dict:
    """Return the JSON object that a file of a checkpoint holds. InvalidData when it holds none."""
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidData(f"'{path}': {error}", "JSON", "Fetch the checkpoint again.") from None
    if not isinstance(data, dict):
        raise InvalidData(f"'{path}' holds {type(data).__name__}", "a JSON object", "Fetch the checkpoint again.")
    return data


def network_config(folder) -> NetworkConfig:
    """Read config.json of a folder in either layout. MissingPart or InvalidData."""
    data = read_config(folder)
    return from_published(data) if is_published(data) else NetworkConfig.from_dict(data)
