"""What can be looked up of a match, without trying it: a word, or a number within intervals.

Words are what few values are common of (ct state, protocol, TCP flags, interfaces), numbers are
addresses and ports. A match that is neither, or whose set may change, has to be tried in its place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Mapping, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.comparing import Test, pairs_of, test_of
from statefulinspect.rules.engine.intervals import Pair
from statefulinspect.rules.engine.readers_meta import ETHER_TYPES
from statefulinspect.rules.engine.reading import operation_of
from statefulinspect.rules.syntax.constants import SetRef
from statefulinspect.rules.syntax.expressions import Binary, Select, selectors_in
from statefulinspect.rules.syntax.statements import Match
from statefulinspect.rules.words.selectors import NF_FAMILIES, Needs, Selector


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


FLAGS: Final = "tcp flags"
WORDS: Final[Mapping[str, str]] = {  # where a walk has them
    "ct state": "ct_bits",
    "ct direction": "direction",
    "meta l4proto": "protocol",
    "meta iifname": "iif",
    "meta oifname": "oif",
    "message type": "message_type",
    "message code": "message_code",
    FLAGS: "tcp_flags",
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
    mask = match.left if isinstance(match.left, Binary) else None
    left = match.left if mask is None else mask.left
    if not isinstance(left, Select):
        return None
    selector = left.selector
    number = NUMBER_OF.get(selector.text)
    if number is None:
        return _word(match, selector, mask)
    pairs = pairs_of(match, selector.bits) if mask is None else None
    if pairs is None:
        return None
    return Conditions(_needed(selector.needs), number, pairs, reads_headers=True)


def _word(match: Match, selector: Selector, mask: Binary | None) -> Conditions | None:
    """Say what can be looked up of a match of a word; nothing where a set has a name."""
    if selector.text not in WORD_OF or isinstance(match.right, SetRef):
        return None
    test = test_of(match.operator, match.right)
    if mask is not None:
        test = _behind(mask, test)
    word = WordCondition(WORD_OF[selector.text], (mask, match.operator, match.right), test)
    is_told = selector.text.startswith(("meta ", "ct "))  # and not read from the packet
    return Conditions((*_needed(selector.needs), word), reads_headers=not is_told)


def _behind(mask: Binary, test: Test) -> Test:
    operate = operation_of(mask)
    return lambda value: test(operate(value))


def needs_to_look_up(expression: object) -> tuple[WordCondition, ...]:
    """Say which words have to be there before an expression can be read."""
    return tuple(word for each in selectors_in(expression) for word in _needed(each.needs))
