"""Which rules of a chain a packet can match: found at once, whether there are ten or ten thousand.

What packets have in words (ct state, protocol, interfaces) is looked up as one key, which leads to
a plan: the rules whose words are these, up to the first that takes every packet. What they have in
numbers (addresses, ports) cuts a plan's rules by intervals; see `intervals`. A plan is made when
its words are first met, and shared by all words that lead to the same rules.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Callable, Final, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.conditions import NUMBERS, WORDS
from statefulinspect.rules.engine.intervals import Pieces
from statefulinspect.rules.engine.walk import Walk

KEYS_AT_MOST: Final = 1 << 12  # combinations of words that are remembered: then it begins anew
WORDS_AT_MOST: Final = 1 << 12  # values of words whose rules are remembered, likewise
PLANS: Final = 8  # how many times the rules of a chain its plans may hold together
SPARE_ROOM: Final = 256
FINAL: Final = frozenset({"accept", "drop", "reject"})  # decisions that end a packet's way


Cuts = list[tuple[Callable[[Walk], Any], Callable[[Any], int]]]  # how a number is read and used


class Plan:
    """Find the rules of some words that a packet's numbers meet.

    `decided` is the entry that takes all packets, if it is the only one; `is_empty` that there is
    none at all; `is_by_port` that no number but the destination port tells its rules apart.
    """

    __slots__ = ("_all", "_fields", "decided", "entries", "is_by_port", "is_empty")

    def __init__(self, entries: Sequence[Any], like: Plan | None = None, found: int = 0) -> None:
        """Take the rules; or of another plan's rules, which are not cut anew, those found."""
        self.entries = entries
        self._all = (1 << len(entries)) - 1 if like is None else found
        asked = {field for entry in entries for field in entry.numbers}
        self._fields: Cuts = self._cut(asked) if like is None else like._fields
        self.is_by_port = asked <= {"dport"}
        self.is_empty = not self._all
        first = entries[0] if self._all & 1 else None
        takes_all = first is not None and first.takes_all and first.decided.kind in FINAL
        self.decided = first if takes_all else None

    def _cut(self, asked: set[str]) -> Cuts:
        return [
            (read, self._pieces(field, octets).at)
            for field, (read, octets) in NUMBERS.items()
            if field in asked
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
    """Find the plan for a packet's words.

    Plans of their own are small and quick, but whoever sends packets of many protocols could have
    many made. So all together they hold a few times the rules there are; further words share the
    plan of all rules, of which each keeps a mask.
    """

    __slots__ = ("_by_key", "_by_rules", "_by_word", "_conditions", "_entries", "_fields", "_key",
                 "_room", "_whole")  # fmt: skip

    def __init__(self, entries: Sequence[Any]) -> None:
        self._entries = entries
        asked = {word.field for entry in entries for word in entry.words} or {"ct state"}
        self._fields = [field for field in WORDS if field in asked]
        self._key = attrgetter(*(WORDS[field].attribute for field in self._fields))
        self._room = PLANS * len(entries) + SPARE_ROOM
        self._whole: Plan | None = None
        self._by_key: dict[Any, Plan] = {}
        self._by_rules: dict[int, Plan] = {}
        self._by_word: dict[tuple[str, Any], int] = {}
        grouped: dict[Any, list[Any]] = {}
        for number, entry in enumerate(entries):
            for word in entry.words:
                grouped.setdefault((word.field, word.key), [word, 0])[1] |= 1 << number
        self._conditions: dict[str, list[Any]] = {field: [] for field in self._fields}
        for (field, _), askers in grouped.items():
            self._conditions[field].append(askers)

    def plan(self, walk: Walk) -> Plan:
        """Give the plan of a packet's words."""
        key = self._key(walk)
        plan = self._by_key.get(key)
        if plan is None:
            if len(self._by_key) >= KEYS_AT_MOST:
                self._by_key.clear()
            plan = self._by_key[key] = self._make(key)
        return plan

    def _make(self, key: Any) -> Plan:
        """Find the rules of some words, and make their plan if no other words have led to them."""
        values = dict(zip(self._fields, key if len(self._fields) > 1 else (key,)))
        for field, value in values.items():
            meanings = WORDS[field].values
            values[field] = value if meanings is None else meanings.get(value)
        found = (1 << len(self._entries)) - 1
        for field, value in values.items():
            found &= self._met(field, value)
        plan = self._by_rules.get(found)
        return self._new_plan(found) if plan is None else plan

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
                plan = self._by_rules[found] = Plan(kept)
                return plan
            self._whole = Plan(self._entries)
        return Plan(self._entries, self._whole, found)

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
