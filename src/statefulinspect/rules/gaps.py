"""What is known of rules that were left out: where they stood, and what they may have done.

A look over the rules must not take for certain what such a rule may change.
"""

from __future__ import annotations

from typing import Any, Final, Iterable, Iterator, Mapping  # noqa: UP035 - Python 3.9

import attrs

NAMED: Final = frozenset({"ct helper", "ct expectation", "ct timeout"})
# Of iptables' targets, only these surely set nothing; any other may set what its kind can.
SETTING_NOTHING: Final = frozenset({"LOG", "NFLOG", "REJECT"})
SET_BY_XT: Final = ("meta mark", "meta priority", "ct", "ip", "ip6", "tcp")

Said = tuple[str, Any]  # a key of the tree, and its value


@attrs.frozen
class Gaps:
    """Hold where rules are missing in a table, and what they may do.

    `places` are chains, each with the number of rules before a missing one. Missing rules may send
    packets to `chains`, set `targets`, and with `is_open` decide by a map that may grow.
    """

    places: frozenset[tuple[str, int]] = frozenset()
    chains: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    is_open: bool = False

    @classmethod
    def of(cls, nodes: list[object], places: Iterable[tuple[str, int]]) -> Gaps:
        """Look through the rules and sets of the tree that are missing."""
        said = [*_said(nodes)]
        return cls(
            frozenset(places),
            frozenset(name for each in said for name in _chains(*each)),
            frozenset(text for each in said for text in _targets(*each)),
            any(_is_open(*each) for each in said),
        )

    def within(self, chain: str) -> bool:
        """Tell whether a rule of a chain is missing."""
        return any(name == chain for name, _ in self.places)


def _said(part: object) -> Iterator[Said]:
    """Go over all that stands in a part of the tree, however deep; what holds itself, once."""
    waiting, seen = [part], set()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Mapping):
            yield from ((str(key), value) for key, value in found.items())
            waiting.extend(found.values())
        elif isinstance(found, (list, tuple)):
            waiting.extend(found)


def _chains(key: str, value: object) -> Iterator[str]:
    if key in ("jump", "goto") and isinstance(value, Mapping):
        yield str(value.get("target", ""))


def _targets(key: str, value: object) -> Iterator[str]:
    """Name what a statement sets, as selectors are written."""
    if key == "mangle" and isinstance(value, Mapping):
        yield _selector(value.get("key"))
    elif key == "notrack":
        yield "ct"
    elif key in NAMED:
        yield key
    elif key == "xt" and isinstance(value, Mapping) and value.get("type") == "target":
        yield from () if str(value.get("name")) in SETTING_NOTHING else SET_BY_XT


def _selector(part: object) -> str:
    """Write what is set; a field of an unknown place may be any."""
    if not isinstance(part, Mapping) or len(part) != 1:
        return "@"
    kind, inner = next(iter(part.items()))
    content = inner if isinstance(inner, Mapping) else {}
    if kind == "payload":
        return f"{content.get('protocol', '@')} {content.get('field', '')}"
    return f"{str(kind).partition(' ')[0]} {content.get('key', '')}"


def _is_open(key: str, value: object) -> bool:
    return key == "vmap" and isinstance(value, Mapping) and isinstance(value.get("data"), str)
