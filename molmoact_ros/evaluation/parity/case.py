"""One comparison with the reference implementation."""

from dataclasses import dataclass, field
from typing import Mapping


@dataclass(frozen=True)
class Case:
    """Whether one golden case agrees.

    group: folder of the golden data. errors: largest absolute difference by what was compared ("logit", "feature",
    "pixel", "action", …). ids_exact: whether all integers agree, None where there are none. detail: the first
    difference, in words; empty when passed.
    """

    group: str
    name: str
    passed: bool
    errors: Mapping[str, float] = field(default_factory=dict)
    ids_exact: bool | None = None
    detail: str = ""
