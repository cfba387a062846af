"""Options: defaults, coercion, ranges, unknown keys, and the table that describes them."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from molmoact_ros.config import REQUIRED, build, describe, nearest, option
from molmoact_ros.errors import ConfigError


@dataclass(frozen=True)
class SampleConfig:
    """A configuration with every kind of option."""

    table_z_m: float = option(REQUIRED, "height of the table", unit="m", low=-1.0, high=1.0)
    rate_hz: float = option(100.0, "ticks per second", unit="Hz", low=1.0)
    horizon: int = option(8, "rows of a chunk", low=1, high=64)
    dry_run: bool = option(True, "do not move")
    space: str = option("joint", "space of the commands", choices=("joint", "ee"))
    box_m: tuple[float, float, float] = option((0.5, 0.5, 0.5), "box", unit="m", low=0.0)
    names: tuple[str, ...] = option((), "cameras")


def test_defaults_and_required():
    config = build(SampleConfig, {"table_z_m": 0})
    assert config.table_z_m == 0.0 and isinstance(config.table_z_m, float)
    assert (config.rate_hz, config.horizon, config.dry_run, config.names) == (100.0, 8, True, ())
    with pytest.raises(ConfigError, match=r"table_z_m is not set; expected float in -1.0..1.0: height of the table"):
        build(SampleConfig, {})
    with pytest.raises(TypeError):
        SampleConfig()
    with pytest.raises(FrozenInstanceError):
        config.rate_hz = 1.0


@pytest.mark.parametrize(
    "name, given, want",
    [
        ("rate_hz", 50, 50.0),
        ("rate_hz", "50.5", 50.5),
        ("horizon", 4.0, 4),
        ("horizon", "4", 4),
        ("dry_run", "false", False),
        ("dry_run", False, False),
        ("space", "ee", "ee"),
        ("box_m", [1, 2, 3], (1.0, 2.0, 3.0)),
        ("box_m", "[1, 2.5, 3]", (1.0, 2.5, 3.0)),
        ("names", ["front", "wrist"], ("front", "wrist")),
        ("names", [], ()),
    ],
)
def test_coercion(name, given, want):
    value = getattr(build(SampleConfig, {"table_z_m": 0.0, name: given}), name)
    assert value == want and type(value) is type(want)


@pytest.mark.parametrize(
    "name, given",
    [
        ("rate_hz", 0.5),
        ("rate_hz", True),
        ("rate_hz", "fast"),
        ("rate_hz", None),
        ("rate_hz", float("nan")),
        ("rate_hz", float("inf")),
        ("rate_hz", [1.0]),
        ("horizon", 4.5),
        ("horizon", 65),
        ("dry_run", 1),
        ("dry_run", "maybe"),
        ("space", "tool"),
        ("space", 3),
        ("box_m", [1.0, 2.0]),
        ("box_m", [1.0, 2.0, -3.0]),
        ("box_m", [1.0, 2.0, "x"]),
        ("box_m", 5.0),
        ("names", [1]),
    ],
)
def test_refusal_names_the_option(name, given):
    with pytest.raises(ConfigError, match=f"SampleConfig.{name} = "):
        build(SampleConfig, {"table_z_m": 0.0, name: given})


def test_unknown_key_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown option of SampleConfig 'rate'; .* Did you mean 'rate_hz'\?"):
        build(SampleConfig, {"table_z_m": 0.0, "rate": 3})
    with pytest.raises(ConfigError, match="Remove 'qqqq'"):
        build(SampleConfig, {"table_z_m": 0.0, "qqqq": 3})
    assert nearest("dryrun", ["rate_hz", "dry_run"]) == ["dry_run"]


def test_describe():
    rows = {row.name: row for row in describe(SampleConfig)}
    assert rows["table_z_m"].default is REQUIRED and rows["table_z_m"].range == "-1.0..1.0"
    assert (rows["rate_hz"].type, rows["rate_hz"].unit, rows["rate_hz"].range) == ("float", "Hz", "1.0..inf")
    assert rows["space"].range == "{joint, ee}"
    assert rows["box_m"].type == "list of float (3)" and rows["names"].type == "list of str"
    assert all(row.text for row in rows.values())
