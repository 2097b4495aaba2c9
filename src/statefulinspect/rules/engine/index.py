"""Which rules of a chain a packet can match: found at once, whether there are ten or ten thousand.

What packets have in words (ct state, protocol, interfaces) is looked up as one key, which leads to
a plan: the rules whose words are these, up to the first that takes every packet. What they have in
numbers (addresses, ports) cuts a plan's rules by intervals; see `intervals`. A plan is made when
its words are first met, and shared by all words that lead to the same rules.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable, Final, Mapping, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import ICMP_PROTOCOLS
from statefulinspect.rules.engine.comparing import Test, pairs_of, test_of
from statefulinspect.rules.engine.intervals import Pair, Pieces
from statefulinspect.rules.engine.readers_ct import CT_READERS
from statefulinspect.rules.engine.readers_meta import META_READERS
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.constants import SetRef
from statefulinspect.rules.syntax.expressions import Select
from statefulinspect.rules.syntax.statements import Match
from statefulinspect.rules.words.selectors import Needs

KEYS_AT_MOST: Final = 1 << 16  # combinations of words that are remembered: then it begins anew


class Word(NamedTuple):
    """Ask for a word: which, and whether a value of it will do; `key` tells equal ones."""

    field: str
    key: Any
    test: Test


class Conditions(NamedTuple):
    """Hold what can be looked up of a match: words, and a field that lies in intervals."""

    words: tuple[Word, ...]
    field: str = ""
    pairs: Sequence[Pair] = ()

    @property
    def asks_state(self) -> bool:
        """Tell whether the ct state is asked for, which rules can change: notrack, ct zone set."""
        return any(word.field == "ct state" for word in self.words)


def _address(first: int, size: int, family: int) -> Callable[[Walk], bytes | None]:
    def read(walk: Walk) -> bytes | None:
        return walk.wire[first : first + size] if walk.packet.family == family else None

    return read


def _port(at: int) -> Callable[[Walk], bytes | None]:
    def read(walk: Walk) -> bytes | None:
        start = walk.l4
        if start is None or start + at + 2 > walk.packet.stop:
            return None
        return walk.wire[start + at : start + at + 2]

    return read


def _message(at: int) -> Callable[[Walk], int | None]:
    """Read type or code of an ICMP message."""

    def read(walk: Walk) -> int | None:
        start = walk.l4 if walk.protocol in ICMP_PROTOCOLS else None
        return None if start is None or start + at >= walk.packet.stop else walk.wire[start + at]

    return read


WORDS: Final[Mapping[str, Callable[[Walk], Any]]] = {
    "ct state": CT_READERS["ct state"],
    "ct direction": CT_READERS["ct direction"],
    "meta nfproto": META_READERS["meta nfproto"],
    "meta l4proto": META_READERS["meta l4proto"],
    "meta protocol": META_READERS["meta protocol"],
    "meta iifname": META_READERS["meta iifname"],
    "meta oifname": META_READERS["meta oifname"],
    "message type": _message(0),
    "message code": _message(1),
}
WORD_OF: Final = {
    **{text: text for text in WORDS},
    "meta iif": "meta iifname",
    "meta oif": "meta oifname",
    "ip protocol": "meta l4proto",
    **{
        f"{header} {what}": f"message {what}"
        for header in ("icmp", "icmpv6")
        for what in ("type", "code")
    },
}
NUMBERS: Final[Mapping[str, tuple[Callable[[Walk], Any], int]]] = {
    "ip saddr": (_address(12, 4, 4), 4),
    "ip daddr": (_address(16, 4, 4), 4),
    "ip6 saddr": (_address(8, 16, 6), 16),
    "ip6 daddr": (_address(24, 16, 6), 16),
    "sport": (_port(0), 2),
    "dport": (_port(2), 2),
}
NUMBER_OF: Final = {
    **{text: text for text in NUMBERS},
    **{
        f"{header} {port}": port
        for header in ("tcp", "udp", "udplite", "sctp", "dccp", "th")
        for port in ("sport", "dport")
    },
}


@lru_cache(maxsize=1024)
def _needed(needs: Needs) -> tuple[Word, ...] | None:
    """Say which words a selector's needs are; None if they cannot be looked up."""
    if not all(text in WORD_OF for text, _ in needs):
        return None
    return tuple(Word(WORD_OF[text], allowed, allowed.__contains__) for text, allowed in needs)


def conditions_of(match: Match) -> Conditions | None:
    """Say what can be looked up of a match, all of it; None if it has to be tried."""
    if not isinstance(match.left, Select):
        return None
    selector = match.left.selector
    words = _needed(selector.needs)
    if words is None:
        return None
    if selector.text in NUMBER_OF:
        pairs = pairs_of(match, selector.bits)
        return None if pairs is None else Conditions(words, NUMBER_OF[selector.text], pairs)
    test = _word_test(match) if selector.text in WORD_OF else None
    if test is None:
        return None
    word = Word(WORD_OF[selector.text], (match.operator, match.right), test)
    return Conditions((*words, word))


def _word_test(match: Match) -> Test | None:
    """Make the test of a word; None where a set has a name, for it may change."""
    right = match.right
    return None if isinstance(right, SetRef) else test_of(match.operator, right)


class Plan:
    """Find the rules of some words that a packet's numbers meet."""

    __slots__ = ("_all", "_fields", "entries")

    def __init__(self, entries: Sequence[Any]) -> None:
        self.entries = entries
        self._all = (1 << len(entries)) - 1
        self._fields = [
            (read, self._pieces(field, octets).at)
            for field, (read, octets) in NUMBERS.items()
            if any(field in entry.numbers for entry in entries)
        ]

    def _pieces(self, field: str, octets: int) -> Pieces:
        asked = [
            (at, entry.numbers[field])
            for at, entry in enumerate(self.entries)
            if field in entry.numbers
        ]
        unasked = self._all ^ sum(1 << at for at, _ in asked)
        return Pieces(asked, unasked, octets)

    def matching(self, walk: Walk) -> int:
        """Give the set of entries, a bit each, whose numbers are the packet's."""
        found = self._all
        for read, at in self._fields:
            found &= at(read(walk))
        return found


class Index:
    """Find the plan for a packet's words."""

    __slots__ = ("_by_key", "_by_rules", "_conditions", "_entries", "_readers")

    def __init__(self, entries: Sequence[Any]) -> None:
        self._entries = entries
        asked = [word.field for entry in entries for word in entry.words]
        fields = [field for field in WORDS if field in set(asked)]
        self._readers = [WORDS[field] for field in fields]
        places = {field: at for at, field in enumerate(fields)}
        grouped: dict[Any, list[Any]] = {}
        for number, entry in enumerate(entries):
            for word in entry.words:
                group = grouped.setdefault(
                    (word.field, word.key), [places[word.field], word.test, 0]
                )
                group[2] |= 1 << number
        self._conditions = list(grouped.values())
        self._by_key: dict[Any, Plan] = {}
        self._by_rules: dict[int, Plan] = {}

    def plan(self, walk: Walk) -> Plan:
        """Give the plan of a packet's words."""
        key = tuple([read(walk) for read in self._readers])
        plan = self._by_key.get(key)
        if plan is None:
            if len(self._by_key) >= KEYS_AT_MOST:
                self._by_key.clear()
            plan = self._by_key[key] = self._make(key)
        return plan

    def _make(self, key: tuple[Any, ...]) -> Plan:
        found = (1 << len(self._entries)) - 1
        for place, test, askers in self._conditions:
            value = key[place]
            if value is None or not test(value):
                found &= ~askers
        plan = self._by_rules.get(found)
        if plan is None:
            if len(self._by_rules) >= KEYS_AT_MOST >> 6:
                self._by_rules.clear()
            plan = self._by_rules[found] = Plan(self._kept(found))
        return plan

    def _kept(self, found: int) -> list[Any]:
        """List the entries of a set, up to the first that takes every packet."""
        kept = []
        while found:
            lowest = found & -found
            entry = self._entries[lowest.bit_length() - 1]
            kept.append(entry)
            if entry.takes_all:
                break
            found ^= lowest
        return kept
