"""How each selector is read from a packet on its walk.

A reader gives a number, or a name, or None where there is nothing to read: then a rule does not
match, not even by !=. What a selector needs before (`tcp dport` a TCP packet) is not asked here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Callable, Final, Mapping, NamedTuple  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.readers_ct import CT_READERS, CT_SETTLED
from statefulinspect.rules.engine.readers_meta import META_READERS, META_SETTLED, Reader
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.engine.wire import (
    Finder,
    find_chunk,
    find_extension,
    find_ipv4_option,
    find_tcp_option,
    inner,
    transport,
    within_chunk,
    within_option,
)
from statefulinspect.rules.words.header_parts import (
    CHUNK_FIELDS,
    CHUNK_TYPES,
    EXTENSION_FIELDS,
    EXTENSION_NUMBERS,
    IPV4_OPTION_FIELDS,
    IPV4_OPTION_TYPES,
    KINDS_BY_WORD,
    OPTION_FIELDS,
)
from statefulinspect.rules.words.headers import FIELDS, HeaderField


class BitPlace(NamedTuple):
    """Say where bits are: in what is found in a packet, at an offset, so many."""

    find: Finder
    offset: int
    bits: int

    @property
    def size(self) -> int:
        """Count the octets up to the last of the bits."""
        return (self.offset + self.bits + 7) // 8

    @property
    def first(self) -> int:
        """Give the first octet that has some of the bits."""
        return self.offset // 8

    @property
    def shift(self) -> int:
        """Count the bits of the last octet that are behind them."""
        return self.size * 8 - self.offset - self.bits

    @property
    def mask(self) -> int:
        """Give so many bits, all of them set."""
        return (1 << self.bits) - 1


class Part(NamedTuple):
    """Say how what a header consists of is found by its name, and where the fields of it are."""

    numbers: Mapping[str, int]
    fields: Mapping[tuple[str, str], HeaderField]
    finder: Callable[[int], Finder]


PARTS: Final = {
    "tcp option": Part(KINDS_BY_WORD, OPTION_FIELDS, find_tcp_option),
    "ip option": Part(IPV4_OPTION_TYPES, IPV4_OPTION_FIELDS, find_ipv4_option),
    "sctp chunk": Part(CHUNK_TYPES, CHUNK_FIELDS, find_chunk),
}
# Of what says how long it is, no more than that is read.
WITHIN: Final = {"tcp option ": within_option, "sctp chunk ": within_chunk}
WORDS_OF_PART: Final = 3  # of a selector that names an option or a chunk, and no field of it

NETWORK_PROTOCOLS: Final = frozenset({"ip", "ip6"})
FLOW_FIELDS: Final = frozenset({"saddr", "daddr", "sport", "dport", "type", "code"})
# What packets of one side of a connection have in common.
SETTLED: Final = (
    META_SETTLED
    | CT_SETTLED
    | {"ip protocol", "ip version", "ip6 version"}
    | {f"{protocol} {name}" for protocol, name in FIELDS if name in FLOW_FIELDS}
) - {"dccp type", "igmp type"}


@lru_cache(maxsize=4096)
def reader(text: str) -> Reader:
    """Make the reader of a selector, by its text."""
    if text in META_READERS:
        return META_READERS[text]
    if text in CT_READERS:
        return CT_READERS[text]
    where = place_of(text)
    find, size = (finder_of(text), 0) if where is None else (where.find, where.size)
    for part, within in WITHIN.items():
        find = within(find, size) if text.startswith(part) else find
    return _exists(find) if where is None else _bits(find, where)


def place_of(text: str) -> BitPlace | None:
    """Tell where the bits of a selector are; None if it asks whether a header or option exists."""
    if text.startswith("@"):
        base, offset, bits = text[1:].split(",")
        return BitPlace(BASES[base], int(offset), int(bits))
    words = text.split()
    part = PARTS.get(f"{words[0]} {words[1]}")
    if part is not None:
        return _place_in(part, text, words)
    if words[0] == "exthdr":
        return None
    row = FIELDS.get((words[0], words[1])) or EXTENSION_FIELDS[words[0], words[1]]
    return BitPlace(finder_of(text), row.offset, row.bits)


def _place_in(part: Part, text: str, words: list[str]) -> BitPlace | None:
    name = words[2]
    if name.startswith("@"):
        _, offset, bits = name.split(",")
        return BitPlace(finder_of(text), int(offset), int(bits))
    if len(words) == WORDS_OF_PART:
        return None
    row = part.fields[name, words[3]]
    return BitPlace(finder_of(text), row.offset, row.bits)


def finder_of(text: str) -> Finder:
    """Make what finds the header, option or chunk that a selector names."""
    words = text.split()
    part = PARTS.get(f"{words[0]} {words[1]}")
    if part is not None:
        name = words[2].split(",")[0]
        return part.finder(part.numbers[name] if name in part.numbers else int(name.lstrip("@")))
    header = words[words[0] == "exthdr"]
    if header in EXTENSION_NUMBERS:
        return find_extension(EXTENSION_NUMBERS[header])
    return _network if words[0] in NETWORK_PROTOCOLS else transport


def _exists(find: Finder) -> Reader:
    return lambda walk: int(find(walk) is not None)


def _network(_: Walk) -> int:
    return 0


def _nowhere(_: Walk) -> None:
    return None


BASES: Final[dict[str, Finder]] = {
    "nh": _network,
    "th": transport,
    "ih": inner,
    "ll": _nowhere,
}


def _bits(find: Finder, where: BitPlace) -> Reader:
    """Make the reader of bits in a header, which `find` finds where it is long enough."""
    first, last, shift, mask = where.first, where.size, where.shift, where.mask

    def read(walk: Walk) -> int | None:
        at = find(walk)
        if at is None or at + last > walk.packet.stop:
            return None
        return int.from_bytes(walk.wire[at + first : at + last], "big") >> shift & mask

    return read
