"""How each selector is read from a packet on its walk.

A reader gives a number, or a name, or None where there is nothing to read: then a rule does not
match, not even by !=. What a selector needs before (`tcp dport` a TCP packet) is not asked here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Callable, Final, Optional, Union

from statefulinspect.rules.engine.readers_ct import CT_READERS, CT_SETTLED
from statefulinspect.rules.engine.readers_meta import META_READERS, META_SETTLED
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.engine.wire import (
    find_extension,
    find_ipv4_option,
    find_tcp_option,
    transport,
)
from statefulinspect.rules.words.headers import (
    EXTENSION_FIELDS,
    EXTENSION_NUMBERS,
    FIELDS,
    IPV4_OPTION_FIELDS,
    IPV4_OPTION_TYPES,
    OPTION_FIELDS,
    OPTION_KINDS,
)

Scalar = Union[int, str]
Reader = Callable[[Walk], Optional[Scalar]]
Finder = Callable[[Walk], Optional[int]]

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
    if text.startswith("@"):
        base, offset, bits = text[1:].split(",")
        return _bits(BASES[base], int(offset), int(bits))
    return _header_reader(text)


def _header_reader(text: str) -> Reader:
    words = text.split()
    if words[0] == "exthdr":
        return _exists(find_extension(EXTENSION_NUMBERS[words[1]]))
    if words[:2] == ["tcp", "option"]:
        return _option(words[2:], OPTION_KINDS, find_tcp_option, OPTION_FIELDS)
    if words[:2] == ["ip", "option"]:
        return _option(words[2:], IPV4_OPTION_TYPES, find_ipv4_option, IPV4_OPTION_FIELDS)
    key = words[0], words[1]
    if key in FIELDS:
        row = FIELDS[key]
        return _bits(_network if row.protocol in NETWORK_PROTOCOLS else transport, *row[2:4])
    row = EXTENSION_FIELDS[key]
    return _bits(find_extension(EXTENSION_NUMBERS[row.protocol]), row.offset, row.bits)


def _option(words: list[str], kinds: dict, find: Callable[[int], Finder], fields: dict) -> Reader:  # type: ignore[type-arg]
    """Make the reader of an option: of a field, of raw bits, or of whether it is there."""
    name = words[0]
    if name.startswith("@"):
        kind, offset, bits = name[1:].split(",")
        return _bits(find(int(kind)), int(offset), int(bits))
    finder = find(kinds[name] if name in kinds else int(name))
    if len(words) == 1:
        return _exists(finder)
    row = fields[name, words[1]]
    return _bits(finder, row.offset, row.bits)


def _exists(find: Finder) -> Reader:
    return lambda walk: int(find(walk) is not None)


def _network(_: Walk) -> int:
    return 0


def _nowhere(_: Walk) -> None:
    return None


BASES: Final[dict[str, Finder]] = {"nh": _network, "th": transport, "ll": _nowhere}


def _bits(find: Finder, offset: int, bits: int) -> Reader:
    """Make the reader of some bits at an offset from where a header is found."""
    first, last = offset // 8, (offset + bits + 7) // 8
    shift, mask = last * 8 - offset - bits, (1 << bits) - 1

    def read(walk: Walk) -> int | None:
        at = find(walk)
        if at is None or at + last > walk.packet.stop:
            return None
        return int.from_bytes(walk.wire[at + first : at + last], "big") >> shift & mask

    return read
