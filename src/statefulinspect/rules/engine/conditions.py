"""What can be looked up of a match, without trying it: a word, or a number within intervals.

Words are what few values are common of (ct state, protocol, interfaces), numbers are addresses and
ports. A match that is neither, or whose set may change, has to be tried in its place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable, Final, Mapping, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.comparing import Test, pairs_of, test_of
from statefulinspect.rules.engine.intervals import Pair
from statefulinspect.rules.engine.readers_meta import ETHER_TYPES
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.constants import SetRef
from statefulinspect.rules.syntax.expressions import Select
from statefulinspect.rules.syntax.statements import Match
from statefulinspect.rules.words.selectors import NF_FAMILIES, Needs


class Word(NamedTuple):
    """Ask for a word: which, and whether a value of it will do; `key` tells equal ones."""

    field: str
    key: Any
    test: Test


class Conditions(NamedTuple):
    """Hold what can be looked up of a match: words, and a field that lies in intervals.

    `reads_headers` tells that it is read from the packet, which rules can change: ip daddr set.
    """

    words: tuple[Word, ...]
    field: str = ""
    pairs: Sequence[Pair] = ()
    reads_headers: bool = False

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


class Source(NamedTuple):
    """Say where a walk has a word, by attributes, and how it is turned into what rules ask for."""

    attribute: str
    values: Mapping[Any, Any] | None = None


WORDS: Final[Mapping[str, Source]] = {
    "ct state": Source("ct_bits"),
    "ct direction": Source("direction"),
    "meta nfproto": Source("packet.family", NF_FAMILIES),
    "meta l4proto": Source("protocol"),
    "meta protocol": Source("packet.family", ETHER_TYPES),
    "meta iifname": Source("iif"),
    "meta oifname": Source("oif"),
    "message type": Source("message_type"),
    "message code": Source("message_code"),
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
        if pairs is None:
            return None
        return Conditions(words, NUMBER_OF[selector.text], pairs, reads_headers=True)
    test = _word_test(match) if selector.text in WORD_OF else None
    if test is None:
        return None
    word = Word(WORD_OF[selector.text], (match.operator, match.right), test)
    is_told = selector.text.startswith(("meta ", "ct "))  # and not read from the packet
    return Conditions((*words, word), reads_headers=not is_told)


def _word_test(match: Match) -> Test | None:
    """Make the test of a word; None where a set has a name, for it may change."""
    right = match.right
    return None if isinstance(right, SetRef) else test_of(match.operator, right)
