"""Leave out of drawn rules the neighbours of which nft 1.0.6 makes something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

DIFFERS = re.compile(
    r"(?:ip6?|tcp|udp|udplite|dccp|sctp|th|icmp|icmpv6|ah|esp|comp|@\S+) .*!= [^{]"
)
HEADER = re.compile(r"(ip6?|tcp|udp|udplite|sctp|th|icmp|icmpv6) (?!option|flags)|(@\w\w),")
STATEMENT = re.compile(r"(?:add|update|delete|meter|limit|quota|counter|log|reset) |.* set ")
FLAGS = re.compile(r"tcp flags [\w,]+$")


def apart(parts: list[str]) -> Iterator[str]:
    """Leave out all but the first field that must differ: nft 1.0.6 compares neighbours as one.

    It does so with TCP flags of which any is to be set, too, whose neighbour is the window.
    """
    told, asks_flags = False, any(FLAGS.match(part) for part in parts)
    for part in parts:
        if asks_flags and part.startswith("tcp window"):
            continue
        if DIFFERS.match(part):
            if told:
                continue
            told = True
        yield part


def together(parts: Iterable[str]) -> Iterator[str]:
    """Leave out fields of a header that was asked before a statement: nft 1.0.6 joins the two.

    The statement then comes before the first of them, and acts whatever that says.
    """
    before: set[str] = set()
    asked: set[str] = set()
    for part in parts:
        found = HEADER.match(part)
        if STATEMENT.match(part):
            before |= asked
        elif found and found[0] in before:
            continue
        elif found:
            asked.add(found[0])
        yield part
