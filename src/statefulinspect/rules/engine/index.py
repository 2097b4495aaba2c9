"""Which rules of a chain a packet can match: found at once, whether there are ten or ten thousand.

Each IP version has an index of its own, of the rules that its packets can match. What these have in
words (ct state, protocol, TCP flags, interfaces) is looked up as one key, which leads to a plan:
the rules whose words are these, up to the first that takes every packet. What they have in numbers
(addresses, ports) cuts a plan's rules by intervals; see `intervals`. A plan is made when its words
are first met, and shared by all words that lead to the same rules.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final, Mapping, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.machines.tcp_flags import USUAL_FLAGS
from statefulinspect.rules.engine.conditions import (
    ADDRESSES,
    FAMILY_WORDS,
    FLAGS,
    OCTETS,
    PORTS,
    WORDS,
)
from statefulinspect.rules.engine.intervals import Pair, Pieces

KEYS_AT_MOST: Final = 1 << 12  # combinations of words that are remembered: then it begins anew
WORDS_AT_MOST: Final = 1 << 12  # values of words whose rules are remembered, likewise
PLANS: Final = 8  # how many times the rules of a chain its plans may hold together
SPARE_ROOM: Final = 256
FINAL: Final = frozenset({"accept", "drop", "reject"})  # decisions that end a packet's way
HEADER_SIZES: Final = {4: 20, 6: 40}  # octets, without options or extension headers

Field = tuple[slice, list[Any], list[int]]  # where it stands; its edges, and the sets between them


class Plan:
    """Say which rules there are for some words, and what to look up of a packet's numbers.

    `entries` are the rules, the last first, and a set of them has a bit for each: so the first of a
    set is its highest bit. Those that a packet meets are in `found` and in its piece of each of the
    `fields`; of `addresses` and in `at_ports` if the ports do not stand behind `header` octets.
    `is_foregone` tells that words settle it: by `decided`, the first entry, which takes all
    packets, or by none if there is no entry at all.
    """

    __slots__ = ("_ports", "addresses", "decided", "entries", "fields", "found", "header",
                 "is_foregone", "pieces")  # fmt: skip

    def __init__(
        self, entries: Sequence[Any], family: int, like: Plan | None = None, found: int = 0
    ) -> None:
        """Take the rules; or of another plan's rules, which are not cut anew, those found."""
        self.entries = entries
        self.found = (1 << len(entries)) - 1 if like is None else found
        self.pieces: dict[str, Pieces] = self._cut() if like is None else like.pieces
        self._ports = [(at, self.pieces[name]) for name, at in PORTS.items() if name in self.pieces]
        self._lay_out(family)
        first = entries[self.found.bit_length() - 1] if self.found else None
        self.decided = first if first is not None and first.is_final else None
        self.is_foregone = first is self.decided

    def _cut(self) -> dict[str, Pieces]:
        """Cut each number that a rule asks for into pieces."""
        askers: dict[str, list[tuple[int, Sequence[Pair]]]] = {}
        for at, entry in enumerate(self.entries):
            for field, pairs in entry.numbers.items():
                askers.setdefault(field, []).append((at, pairs))
        return {
            field: Pieces(asked, self._without(field), OCTETS[field])
            for field, asked in askers.items()
        }

    def _without(self, field: str) -> int:
        """Give the set of entries that do not ask for a number."""
        return sum(1 << at for at, entry in enumerate(self.entries) if field not in entry.numbers)

    def _lay_out(self, family: int) -> None:
        """Lay out what there is to look up of packets of an IP version, which all rules are for."""
        self.header = HEADER_SIZES[family]
        self.addresses: list[Field] = [
            (ADDRESSES[field].where, pieces.edges, pieces.sets)
            for field, pieces in self.pieces.items()
            if field in ADDRESSES
        ]
        self.fields = self.addresses + [
            (slice(self.header + at, self.header + at + 2), pieces.edges, pieces.sets)
            for at, pieces in self._ports
        ]

    def at_ports(self, wire: bytes, start: int | None, stop: int) -> int:
        """Give the set of entries that ports do not rule out, wherever these stand."""
        found = self.found
        for at, pieces in self._ports:
            first = None if start is None or start + at + 2 > stop else start + at
            found &= pieces.at(None if first is None else wire[first : first + 2])
        return found


class Index:
    """Find the plan of a packet's words, `key_of(walk)`: in `plans`, or by `plan` if it is new.

    Plans of their own are small and quick, but whoever sends packets of many protocols could have
    many made. So all together they hold a few times the rules there are; further words share the
    plan of all rules, of which each keeps a mask.

    `asks_flags` tells that TCP flags are among the words, `varying` holds the words to which these
    make a difference: segments amid a conversation meet other rules.
    """

    __slots__ = ("_by_rules", "_by_word", "_conditions", "_ends", "_entries", "_family", "_fields",
                 "_room", "_whole", "asks_flags", "key_of", "plans", "varying")  # fmt: skip

    def __init__(self, entries: Sequence[Any], family: int) -> None:
        """Take the rules, of which packets of an IP version are to be looked up."""
        self._family = family
        self._entries = [entry for entry in reversed(entries) if _may_meet(entry, family)]
        asked = {word.field for entry in self._entries for word in entry.words}
        self._fields = [field for field in WORDS if field in asked] or ["ct state"]
        self.key_of = attrgetter(*(WORDS[field] for field in self._fields))
        self.asks_flags = FLAGS in asked
        self.varying: set[Any] = set()
        self._ends = sum(1 << at for at, entry in enumerate(self._entries) if entry.takes_all)
        self._room = PLANS * len(entries) + SPARE_ROOM
        self._whole: Plan | None = None
        self.plans: dict[Any, Plan] = {}
        self._by_rules: dict[int, Plan] = {}
        self._by_word: dict[tuple[str, Any], int] = {}
        grouped: dict[Any, list[Any]] = {}
        for number, entry in enumerate(self._entries):
            for word in entry.words:
                grouped.setdefault((word.field, word.key), [word, 0])[1] |= 1 << number
        self._conditions: dict[str, list[Any]] = {field: [] for field in self._fields}
        for (field, _), askers in grouped.items():
            if field in self._conditions:
                self._conditions[field].append(askers)

    def plan(self, key: Any) -> Plan:
        """Make the plan of some words."""
        if len(self.plans) >= KEYS_AT_MOST:
            self.plans.clear()
            self.varying.clear()
        words = dict(zip(self._fields, key if len(self._fields) > 1 else (key,)))
        found = self._found(words)
        if self.asks_flags and words[FLAGS] is not None:
            usual = [self._found({**words, FLAGS: flags}) for flags in USUAL_FLAGS]
            if any(others != found for others in usual):
                self.varying.add(key)
        plan = self.plans[key] = self._by_rules.get(found) or self._new_plan(found)
        return plan

    def _found(self, words: Mapping[str, Any]) -> int:
        """Give the set of entries that words lead to; none behind one that takes every packet."""
        found = (1 << len(self._entries)) - 1
        for field, value in words.items():
            found &= self._met(field, value)
        end = max((found & self._ends).bit_length() - 1, 0)
        return found >> end << end

    def _met(self, field: str, value: Any) -> int:
        """Give the set of entries that a word's value does not rule out."""
        found = self._by_word.get((field, value))
        if found is None:
            found = (1 << len(self._entries)) - 1
            for word, askers in self._conditions[field]:
                if value is None or not word.test(value):
                    found &= ~askers
            if len(self._by_word) >= WORDS_AT_MOST:
                self._by_word.clear()
            self._by_word[field, value] = found
        return found

    def _new_plan(self, found: int) -> Plan:
        if self._whole is None:
            kept = self._kept(found)
            if len(kept) <= self._room:
                self._room -= len(kept) + 1
                plan = self._by_rules[found] = Plan(kept, self._family)
                return plan
            self._whole = Plan(self._entries, self._family)
        return Plan(self._entries, self._family, self._whole, found)

    def _kept(self, found: int) -> list[Any]:
        """List the entries of a set, the last first."""
        kept = []
        while found:
            at = found.bit_length() - 1
            kept.append(self._entries[at])
            found ^= 1 << at
        return kept[::-1]


def _may_meet(entry: Any, family: int) -> bool:
    """Say whether packets of an IP version may match an entry."""
    return all(
        word.test(FAMILY_WORDS[word.field][family])
        for word in entry.words
        if word.field in FAMILY_WORDS
    )
