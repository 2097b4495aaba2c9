"""What can be looked up of a match, without trying it: a word, or a number within intervals.

Words are what few values are common of (ct state, protocol, interfaces), numbers are addresses and
ports. A match that is neither, or whose set may change, has to be tried in its place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Mapping, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.comparing import Test, pairs_of, test_of
from statefulinspect.rules.engine.intervals import Pair
from statefulinspect.rules.engine.readers_meta import ETHER_TYPES
from statefulinspect.rules.syntax.constants import SetRef
from statefulinspect.rules.syntax.expressions import Select
from statefulinspect.rules.syntax.statements import Match
from statefulinspect.rules.words.selectors import NF_FAMILIES, Needs


class WordCondition(NamedTuple):
    """Ask for a word: which, and whether a value of it will do; `key` tells equal ones."""

    field: str
    key: Any
    test: Test


class Conditions(NamedTuple):
    """Hold what can be looked up of a match: words, and a field that lies in intervals.

    `reads_headers` tells that it is read from the packet, which rules can change: ip daddr set.
    """

    words: tuple[WordCondition, ...]
    field: str = ""
    pairs: Sequence[Pair] = ()
    reads_headers: bool = False

    @property
    def asks_state(self) -> bool:
        """Tell whether the ct state is asked for, which rules can change: notrack, ct zone set."""
        return any(word.field == "ct state" for word in self.words)


class Address(NamedTuple):
    """Say where an address stands in the packets of its IP version."""

    where: slice
    octets: int


WORDS: Final[Mapping[str, str]] = {  # where a walk has them
    "ct state": "ct_bits",
    "ct direction": "direction",
    "meta l4proto": "protocol",
    "meta iifname": "iif",
    "meta oifname": "oif",
    "message type": "message_type",
    "message code": "message_code",
}
FAMILY_WORDS: Final[Mapping[str, Mapping[int, int]]] = {  # what they are by IP version
    "meta nfproto": NF_FAMILIES,
    "meta protocol": ETHER_TYPES,
}
WORD_OF: Final = {
    **{text: text for text in (*WORDS, *FAMILY_WORDS)},
    "meta iif": "meta iifname",
    "meta oif": "meta oifname",
    "ip protocol": "meta l4proto",
    **{
        f"{header} {what}": f"message {what}"
        for header in ("icmp", "icmpv6")
        for what in ("type", "code")
    },
}
ADDRESSES: Final = {
    "ip saddr": Address(slice(12, 16), 4),
    "ip daddr": Address(slice(16, 20), 4),
    "ip6 saddr": Address(slice(8, 24), 16),
    "ip6 daddr": Address(slice(24, 40), 16),
}
PORTS: Final = {"sport": 0, "dport": 2}  # behind the beginning of the transport header
OCTETS: Final = {name: each.octets for name, each in ADDRESSES.items()} | dict.fromkeys(PORTS, 2)
NUMBER_OF: Final = {
    **{text: text for text in OCTETS},
    **{
        f"{header} {port}": port
        for header in ("tcp", "udp", "udplite", "sctp", "dccp", "th")
        for port in ("sport", "dport")
    },
}


@lru_cache(maxsize=1024)
def _needed(needs: Needs) -> tuple[WordCondition, ...]:
    """Say which words a selector's needs are: all can be looked up."""
    return tuple(
        WordCondition(WORD_OF[text], allowed, allowed.__contains__) for text, allowed in needs
    )


def conditions_of(match: Match) -> Conditions | None:
    """Say what can be looked up of a match, all of it; None if it has to be tried."""
    if not isinstance(match.left, Select):
        return None
    selector = match.left.selector
    words = _needed(selector.needs)
    number = NUMBER_OF.get(selector.text)
    if number is not None:
        pairs = pairs_of(match, selector.bits)
        return None if pairs is None else Conditions(words, number, pairs, reads_headers=True)
    test = _word_test(match) if selector.text in WORD_OF else None
    if test is None:
        return None
    word = WordCondition(WORD_OF[selector.text], (match.operator, match.right), test)
    is_told = selector.text.startswith(("meta ", "ct "))  # and not read from the packet
    return Conditions((*words, word), reads_headers=not is_told)


def _word_test(match: Match) -> Test | None:
    """Make the test of a word; None where a set has a name, for it may change."""
    right = match.right
    return None if isinstance(right, SetRef) else test_of(match.operator, right)
