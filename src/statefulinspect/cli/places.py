"""How the place of a rule, and the rule itself, are written for programs and in expectations."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from statefulinspect.rules.rule import Place, Rule

KEYS: Final = ("family", "table", "chain", "rule", "line")
COUNTS: Final = re.compile(r"\bcounter packets \d+ bytes \d+")
QUOTED_SET_OR_BLANKS: Final = re.compile(r'"[^"]*"|\{(?:[^{}"]|"[^"]*")*\}|\s+')
ELEMENT: Final = re.compile(r'(?:[^,"]|"[^"]*")+')


def place_of(place: Place | None) -> dict[str, Any] | None:
    """Give the place of a rule for JSON."""
    return None if place is None else dict(zip(KEYS, place))


def text_of(rule: Rule) -> str:
    """Write a rule in one line, without what its counters count from."""
    return COUNTS.sub("counter", "; ".join(str(rule).splitlines()))


@cache  # many packets, few rules
def comparable(text: str) -> str:
    """Write a rule's text so that neither blanks nor the order of elements make a difference.

    `nft list ruleset` sorts the elements of anonymous sets and maps.
    """
    return QUOTED_SET_OR_BLANKS.sub(lambda match: _in_order(match[0]), text)


def _in_order(part: str) -> str:
    if part.startswith("{"):
        elements = (comparable(each.strip()) for each in ELEMENT.findall(part[1:-1]))
        return f"{{{','.join(sorted(elements))}}}"
    return " " if part.isspace() else part
