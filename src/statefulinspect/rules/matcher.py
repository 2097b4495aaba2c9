"""Which rule is the first to match: a ruleset compiled to bit sets.

After Lakshman and Stiliadis (1998): every field cuts its values into intervals at the edges that
the rules name, and knows for each interval the set of rules that accept it, as one Python int
with a bit a rule. A packet's set is the AND of its fields' sets, and the lowest bit left is the
first match. So a packet costs one look-up a field, whether there are ten rules or ten thousand.
"""

from __future__ import annotations

from typing import Any, Callable, Final, Hashable, Iterable  # noqa: UP035 - Python 3.9

from sortedcontainers import SortedDict

from statefulinspect.flowkey import ICMP, ICMPV6, Address
from statefulinspect.packet import Packet
from statefulinspect.rules.fields import ICMP_TYPES, Network
from statefulinspect.rules.model import Rule, Ruleset
from statefulinspect.terms import Action, CtState

IPV6_SPACE: Final = 1 << 128  # IPv4 addresses are numbers above all of IPv6's

Intervals = Iterable[tuple[int, int]]


class IntervalField:
    """Map a number to the set of rules that accept it."""

    __slots__ = ("_edges", "_unasked")

    def __init__(self, accepted: list[Intervals | None]) -> None:
        """Take, rule by rule, the intervals (first, last) accepted; None for a rule without."""
        self._unasked = _bits(rule for rule, intervals in enumerate(accepted) if intervals is None)
        cuts = [
            (edge, 1 << rule)
            for rule, intervals in enumerate(accepted)
            for first, last in _disjoint(intervals or ())
            for edge in (first, last + 1)
        ]
        self._edges = SortedDict()
        now_open = self._unasked
        for edge, bit in sorted(cuts):
            now_open ^= bit
            self._edges[edge] = now_open

    def rules(self, value: int | None) -> int:
        """Give the rules that accept a value; None is a packet without the field."""
        at = 0 if value is None else self._edges.bisect_right(value)
        return self._edges.peekitem(at - 1)[1] if at else self._unasked


class WordField:
    """Map a word to the set of rules that accept it."""

    __slots__ = ("_sets", "_unasked")

    def __init__(self, accepted: list[Iterable[Hashable] | None]) -> None:
        """Take, rule by rule, the words accepted; None for a rule that does not ask."""
        self._unasked = _bits(rule for rule, words in enumerate(accepted) if words is None)
        self._sets: dict[Hashable, int] = {}
        for rule, words in enumerate(accepted):
            for word in words or ():
                self._sets[word] = self._sets.get(word, self._unasked) | 1 << rule

    def rules(self, word: Hashable) -> int:
        """Give the rules that accept a word."""
        return self._sets.get(word, self._unasked)


class Matcher:
    """Find the first rule of a ruleset that matches a packet.

    `asks_packet` tells whether any rule looks at what may differ between packets of one side, as
    interfaces do; if none does, one conclusion holds for all of them.
    """

    __slots__ = ("_ct_states", "_fields", "_ruleset", "asks_packet")

    def __init__(self, ruleset: Ruleset) -> None:
        rules = ruleset.rules
        self._ruleset = ruleset
        self.asks_packet = any(
            each is not None for rule in rules for each in (rule.iif, rule.oif, rule.mark)
        )
        self._ct_states = WordField([rule.ct_state for rule in rules])
        self._fields = [
            (field([accepted(rule) for rule in rules]).rules, value)
            for field, accepted, value in FIELDS
            if any(accepted(rule) is not None for rule in rules)
        ]

    def judge(self, packet: Packet, ct_state: CtState) -> tuple[Action, Rule | None]:
        """Give the action for a packet, and the rule that decided; None is the policy."""
        matching = self._ct_states.rules(ct_state)
        for rules_for, value in self._fields:
            matching &= rules_for(value(packet))
        if not matching:
            return self._ruleset.policy, None
        rule = self._ruleset.rules[(matching & -matching).bit_length() - 1]
        return rule.action, rule


def _bits(numbers: Iterable[int]) -> int:
    """Make the set that holds these rule numbers."""
    return sum(1 << number for number in numbers)


def _disjoint(intervals: Intervals) -> list[tuple[int, int]]:
    """Merge intervals that overlap or touch, so that each edge opens or closes a rule once."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _address_number(octets: bytes) -> int | None:
    """Place an address on the one line that holds both families."""
    if not octets:
        return None
    return int.from_bytes(octets, "big") + (IPV6_SPACE if len(octets) == 4 else 0)


def _spans(prefixes: tuple[Network, ...] | None) -> Intervals | None:
    if prefixes is None:
        return None
    return [
        (_number(prefix.network_address), _number(prefix.broadcast_address)) for prefix in prefixes
    ]


def _number(address: Address) -> int:
    return int(address) + (IPV6_SPACE if address.version == 4 else 0)


def _icmp_words(rule: Rule) -> Iterable[Hashable] | None:
    if rule.icmp_type is None:
        return None
    return [
        (protocol, number)
        for wanted in rule.icmp_type
        for protocol, number in zip((ICMP, ICMPV6), ICMP_TYPES.get(wanted, (wanted, wanted)))
        if number is not None
    ]


# Which kind of field, what a rule accepts in it, and what a packet holds there.
FIELDS: Final[tuple[tuple[Any, Callable[[Rule], Any], Callable[[Packet], Any]], ...]] = (
    (WordField, lambda rule: rule.protocol, lambda packet: packet.protocol),
    (WordField, lambda rule: rule.iif, lambda packet: packet.iif),
    (WordField, lambda rule: rule.oif, lambda packet: packet.oif),
    (WordField, lambda rule: rule.mark, lambda packet: packet.mark),
    (WordField, _icmp_words, lambda packet: (packet.protocol, packet.icmp_type)),
    (
        IntervalField,
        lambda rule: _spans(rule.source),
        lambda packet: _address_number(packet.source_octets),
    ),
    (
        IntervalField,
        lambda rule: _spans(rule.destination),
        lambda packet: _address_number(packet.destination_octets),
    ),
    (IntervalField, lambda rule: rule.source_port, lambda packet: packet.source_port),
    (IntervalField, lambda rule: rule.destination_port, lambda packet: packet.destination_port),
)
