"""docs/safety.md says what the configuration and the checks say."""

import re
from pathlib import Path

from molmoact_ros.config import REQUIRED, describe
from molmoact_ros.safety.config import SafetyConfig

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "safety.md").read_text()


def test_every_option_is_in_the_table_as_it_is():
    for row in describe(SafetyConfig):
        default = "**required**" if row.default is REQUIRED else f"`{row.default}`"
        assert f"| `{row.name}` | {default} | {row.unit} | {row.range} | {row.text} |" in PAGE


def test_every_reason_of_a_check_is_explained():
    source = "".join(p.read_text() for p in (ROOT / "molmoact_ros" / "safety").glob("*.py"))
    reasons = set(re.findall(r'(?:Finding|limit)\(\s*"([a-z_]+)"', source))
    assert len(reasons) > 10 and {r for r in reasons if f"`{r}`" not in PAGE} == set()


def test_nothing_is_called_compliant():
    assert "compliant" not in PAGE and "certified" not in PAGE
