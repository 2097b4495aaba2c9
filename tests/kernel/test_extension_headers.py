"""Which extension headers rules find in packets that end within one: as the kernel does."""

from __future__ import annotations

from itertools import product

from builders import ip
from kernel.rule_counts import library_counters
from kernel.rule_differ import differing_counts
from kernel.rule_kernel import RuleKernel
from statefulinspect import Config, Ruleset, Tracker

TCP, HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, OPTIONS, MOBILITY = 6, 0, 43, 44, 51, 60, 135
CHAINS = [
    *([each] for each in (ROUTING, FRAGMENT, AUTHENTICATION, OPTIONS, MOBILITY)),
    *([HOP_BY_HOP, each] for each in (FRAGMENT, OPTIONS)),
    *([FRAGMENT, each] for each in (OPTIONS, MOBILITY)),
    *([AUTHENTICATION, OPTIONS], [OPTIONS, AUTHENTICATION], [ROUTING, FRAGMENT]),
    *([FRAGMENT, AUTHENTICATION, OPTIONS], [OPTIONS, FRAGMENT, OPTIONS]),
]
ATOMIC, FIRST, LAST, MIDDLE = 0, 1, 8, 9  # fragment fields
ASKED = [
    *(f"exthdr {name} exists" for name in ("hbh", "rt", "frag", "dst", "mh")),
    *("exthdr dst missing", "exthdr mh missing", "frag id 0", "dst nexthdr 6", "rt nexthdr 44"),
    *(f"meta l4proto {number}" for number in (TCP, FRAGMENT, AUTHENTICATION, OPTIONS, MOBILITY)),
]
RULES = f"""
table ip6 asked {{
  chain early {{
    type filter hook prerouting priority -500; policy accept;
    {" ".join(f"{each} counter;" for each in ASKED)}
  }}
}}
"""


def header(kind, following, field):
    if kind == FRAGMENT:
        return bytes([following, 0]) + field.to_bytes(2, "big") + bytes(4)
    if kind == AUTHENTICATION:
        return bytes([following, 1]) + bytes(10)
    return bytes([following, 0, 1, 4]) + bytes(4)


def packets():
    """Packets of each chain and fragment field that end everywhere up to the third octet of TCP."""
    for kinds, field in product(CHAINS, (ATOMIC, FIRST, LAST, MIDDLE)):
        if FRAGMENT not in kinds and field:
            continue
        pairs = zip(kinds, [*kinds[1:], TCP])
        octets = b"".join(header(*pair, field) for pair in pairs) + bytes(2)
        for stop in range(len(octets) + 1):
            yield kinds, field, ip("fd00:1::2", "fd00:2::2", kinds[0], octets[:stop])


def test_what_rules_find_in_packets_that_end_early():
    config = Config.linux(verify_checksums=False, fragments="track")
    with RuleKernel() as kernel:
        for kinds, field, packet in packets():
            kernel.load(RULES)
            kernel.arrive(packet, "lan0")
            tracker = Tracker(Ruleset.parse(RULES), config=config)
            tracker.process(packet, 0.0, iif="lan0", oif="wan0")
            told = differing_counts(library_counters(tracker), kernel.counted())
            assert not told, (kinds, field, packet.hex())
