"""How the place of a rule, and the rule itself, are written for programs and in expectations."""

from __future__ import annotations

import re
from typing import Any, Final

from statefulinspect.rules.rule import Place, Rule

KEYS: Final = ("family", "table", "chain", "rule", "line")
COUNTS: Final = re.compile(r"\bcounter packets \d+ bytes \d+")


def place_of(place: Place | None) -> dict[str, Any] | None:
    """Give the place of a rule for JSON."""
    return None if place is None else dict(zip(KEYS, place))


def text_of(rule: Rule) -> str:
    """Write a rule in one line, without what its counters count from."""
    return COUNTS.sub("counter", "; ".join(str(rule).splitlines()))
