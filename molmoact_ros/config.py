"""Configuration as frozen dataclasses: one place for the default, unit, range and text of every option.

    @dataclass(frozen=True)
    class SafetyConfig:
        table_z_m: float = option(REQUIRED, "height of the table", unit="m", low=-1.0, high=1.0)

ROS parameters, command-line options, the documentation and the tests derive from it.
"""

import difflib
import math
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Iterable, Mapping, get_args, get_origin, get_type_hints

from .errors import ConfigError, MissingPart

REQUIRED = object()
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Row:
    """One option as a reader sees it; `default` is REQUIRED where there is none."""

    name: str
    type: str
    default: Any
    unit: str
    range: str
    text: str


def option(default, text: str, unit: str = "", low=None, high=None, choices=None):
    """Declare one field of a configuration: default (or REQUIRED), text, SI unit, inclusive range or choices.

    For tuples, range and choices hold for every element.
    """
    metadata = MappingProxyType({"text": text, "unit": unit, "low": low, "high": high, "choices": choices})
    if default is REQUIRED:
        return field(metadata=metadata, kw_only=True)
    return field(default=default, metadata=metadata, kw_only=True)


def build(cls, overrides: Mapping[str, Any]):
    """Build `cls` from its defaults and `overrides`.

    Raises ConfigError for a key that is unknown, a value of the wrong type or out of range, and a missing value.
    """
    known = {f.name: f for f in fields(cls)}
    refuse_unknown(overrides, known, f"option of {cls.__name__}")
    types = get_type_hints(cls)
    values = {name: _coerce(cls, known[name], types[name], value) for name, value in overrides.items()}
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(
                f"{cls.__name__}.{name} is not set",
                f"{_type_name(types[name])}{_range_text(f, ' in ')}: {f.metadata.get('text', 'a value')}",
                f"Set '{name}' in the configuration of the cell.",
            )
    return cls(**values)


def refuse_unknown(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise ConfigError for the first of `given` that is not in `known`, with the nearest known name."""
    known = list(known)
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f"Did you mean '{near[0]}'?" if near else f"Remove '{name}'."
            raise ConfigError(f"unknown {what} '{name}'", f"one of {', '.join(sorted(known)) or 'none'}", hint)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that look like `name`, best first."""
    return difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.4)


def describe(cls) -> list[Row]:
    """Return one Row per option of `cls`, in the order in which they are written."""
    types = get_type_hints(cls)
    return [
        Row(
            f.name,
            _type_name(types[f.name]),
            REQUIRED if f.default is MISSING and f.default_factory is MISSING else f.default,
            f.metadata.get("unit", ""),
            _range_text(f),
            f.metadata.get("text", ""),
        )
        for f in fields(cls)
    ]


def _coerce(cls, f, annotation, value):
    """Convert `value` to the field's type and check its range; ConfigError names the field."""
    try:
        converted = _convert(annotation, value)
    except (TypeError, ValueError):
        converted = None
    elements = converted if isinstance(converted, tuple) else (converted,)
    if converted is None or not all(_inside(f, v) for v in elements):
        unit = f" {f.metadata['unit']}" if f.metadata.get("unit") else ""
        raise ConfigError(
            f"{cls.__name__}.{f.name} = {value!r}",
            f"{_type_name(annotation)}{_range_text(f, ' in ')}{unit}",
            f"Correct '{f.name}' ({f.metadata.get('text', 'see the configuration table')}).",
        )
    return converted


def _convert(annotation, value):
    """Convert to float, int, bool, str or a tuple of them; None where the value does not fit."""
    if get_origin(annotation) is tuple:
        return _convert_tuple(get_args(annotation), value)
    if isinstance(value, str) and annotation is bool:
        return _WORDS.get(value.strip().lower())
    if annotation in (bool, str):
        return value if isinstance(value, annotation) else None
    if isinstance(value, bool):
        return None
    number = float(value)
    if not math.isfinite(number) or (annotation is int and number != int(number)):
        return None
    return int(value) if annotation is int and not isinstance(value, str) else annotation(number)


def _convert_tuple(arguments, value):
    items = [v for v in value.strip("[]() ").split(",") if v.strip()] if isinstance(value, str) else list(value)
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(items)
    converted = tuple(_convert(a, v) for a, v in zip(arguments, items))
    return converted if len(items) == len(arguments) and None not in converted else None


def _inside(f, value) -> bool:
    low, high, choices = (f.metadata.get(k) for k in ("low", "high", "choices"))
    return (low is None or value >= low) and (high is None or value <= high) and (choices is None or value in choices)


def _range_text(f, prefix: str = "") -> str:
    low, high, choices = (f.metadata.get(k) for k in ("low", "high", "choices"))
    if choices is not None:
        return prefix + "{" + ", ".join(str(c) for c in choices) + "}"
    if low is None and high is None:
        return ""
    return f"{prefix}{'-inf' if low is None else low}..{'inf' if high is None else high}"


def _type_name(annotation) -> str:
    if get_origin(annotation) is not tuple:
        return annotation.__name__
    arguments = get_args(annotation)
    return f"list of {arguments[0].__name__}" + ("" if arguments[-1] is Ellipsis else f" ({len(arguments)})")


def read_options(path, cls: type, changes: Mapping[str, Any] = {}) -> Any:
    """Build a dataclass of options from a YAML file; `changes` count more. MissingPart or ConfigError."""
    import yaml

    path = Path(path)
    if not path.is_file():
        raise MissingPart(f"no file '{path}'", "a YAML file of name: value lines", "Name another.")
    try:
        data = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}': {' '.join(str(error).split())}", "YAML", "Correct the file.") from None
    if not isinstance(data, dict):
        raise ConfigError(f"'{path}' holds {type(data).__name__}", "name: value lines", "Correct the file.")
    refuse_unknown(data, [f.name for f in fields(cls)], f"entry of '{path.name}'")
    return build(cls, {**data, **changes})
