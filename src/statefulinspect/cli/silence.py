"""Helpers that rules name and this program cannot make: Linux has more, or they want to be told.

With --unsupported ignore they are there, and read nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Final

import attrs

from statefulinspect.config import HelperPolicy
from statefulinspect.helpers import NOTHING, Message, Outcome, Policy, make_helpers
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.rules.syntax.objects import CtHelper

KNOWN: Final = frozenset(make_helpers(HelperPolicy()))


@attrs.frozen
class SilentHelper:
    """Read nothing; no port is its own, so that only rules lead to it."""

    name: str
    protocols: frozenset[int] = frozenset()
    families: frozenset[int] = frozenset()
    policies: Mapping[str, Policy] = attrs.field(factory=dict)

    def begin(self) -> None:
        """Remember nothing."""

    def read(self, _: Message) -> Outcome:
        """Announce nothing."""
        return NOTHING


def unknown_helpers(rules: Ruleset) -> Iterator[str]:
    """Name the helpers that rules name and the program has not, each once."""
    objects = (each for table in rules.tables for each in table.objects)
    names = (each.helper for each in objects if isinstance(each, CtHelper))
    return iter(dict.fromkeys(name for name in names if name not in KNOWN))


def silent_helpers(rules: Ruleset, taken: Container[int]) -> dict[int, SilentHelper]:
    """Make a helper that reads nothing for each of them, as `Config.helpers` takes them."""
    ports = (port for port in range(1, 65_536) if port not in taken)
    return {port: SilentHelper(name) for port, name in zip(ports, unknown_helpers(rules))}
