"""Lines that nft 1.0.6 and the library judge otherwise, by purpose: a pattern and its reason.

Whatever else they judge otherwise is a bug of the library.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Quirk(NamedTuple):
    """A pattern of lines, and why they may be judged otherwise."""

    pattern: str
    because: str


# What nft 1.0.6 refuses and the library takes.
MORE = (
    Quirk(r"icmpv6 (taddr|daddr|parameter-problem)", "nft knows these since 1.0.8"),
    Quirk(r"exthdr (rt0|srh)|\bgre (flags|version|protocol|ip)", "nft knows these since 1.0.8"),
    Quirk(r"^last", "nft knows last since 1.0.8"),
    Quirk(r"rt2 addr|igmp group", "nft gives these the type of another field"),
    Quirk(r"tcp option \S+ kind", "nft takes the option's name with kind for its presence"),
    Quirk(r"<<|>>", "nft compares what is shifted only with numbers of no type, if at all"),
    Quirk(
        r"(map|meter|name|add|set) .*\b(exthdr|srh|frag|hbh|dst|mh|rt0?) ", "a gap in nft's grammar"
    ),
    Quirk(r"^(meta )?day .*/3", "nft makes masks of prefixes of numbers, and fails at some"),
    Quirk(r" set .*(map|and|&)", "nft rewrites what is narrower than an octet"),
    Quirk(r"^(\S+ \S+) set \1", "nft sets no field by itself"),
    Quirk(
        r"([io]if|sdif)\S* .*(nosuch|exists|lo/|\d{9}|tcp|ip\b)",
        "nft asks for interfaces that there are, and takes protocols for names",
    ),
    Quirk(r"ct helper.*tcp", "nft takes protocols for names"),
    Quirk(r"jump \"", "chains named in quotes"),
    Quirk(r"limit rate \d{19,}", "Linux has no room for the tokens"),
    Quirk(r"ct original l3proto ipv4", "nft takes the family of the table for that of the address"),
    Quirk(r"dscp & .*\{", "nft asks the kernel for a set that it refuses"),
)
# What nft 1.0.6 takes and the library refuses.
FEWER = (
    Quirk(
        r"(group|threshold|snaplen|burst|over) \d{5,}|icmp 300|@th,70000",
        "nft cuts numbers that are too large",
    ),
    Quirk(r"\. tcp dport.*\{|tcp dport \. ", "nft checks no size below an octet in concatenations"),
    Quirk(r"(meta|ct) mark set ", "nft loads numbers into marks in the wrong byte order"),
    Quirk(r"^add @seen", "nft adds numbers of any size to sets of addresses"),
    Quirk(r"^(meta )?time .*(25:00|02-30)", "nft takes dates that there are not for others"),
    Quirk(r"timeout 5s \}", "nft forgets what hangs on the only element of a set"),
    Quirk(r"icmpv6 type .*redirect", "nft forgets to compare types in maps"),
    Quirk(r"([&|^]|and) \(?(\"?(eth|lo)|tcp|icmp|arp|ip\b|ether)", "nft calculates with names"),
    Quirk(r"^(meta )?(iif|oif|sdif) .*-", "nft takes interfaces for numbers in ranges"),
    Quirk(r"^@th,0,1 >> 1", "nft shifts the octet that a bit is in"),
    Quirk(r"^(meta )?day vmap .*7", "nft looks for no day beyond Saturday in maps"),
    Quirk(r"^meta priority .*ssh", "nft takes any word for a handle"),
    Quirk(r"^meter m \{ ct (original|reply) proto", "nft adds ports before it knows the protocol"),
    Quirk(r"^flow table", "an old way to write a meter"),
)

# What nft lists otherwise when it reads what the library prints for it.
OTHERWISE = (
    Quirk(r"^sctp chunk \S+ \{", "nft lists presence as number"),
    Quirk(r"ipv4 ct original saddr", "nft leaves out what the address says already"),
    Quirk(
        r"tcp option (@2,|\d)|exthdr|ip option|tcp option \S+ (>>|&|\{)",
        "nft lists presence as number",
    ),
    Quirk(r"^igmp group", "nft gives it the type of another field"),
    Quirk(r"ct label", "nft lists labels wrongly"),
    Quirk(r"^meter", "the library writes meters as sets"),
    Quirk(r"/\d+([ ,]|$)", "nft makes masks of prefixes of numbers"),
    Quirk(r"^@nh", "nft lists one number as the field or the fields that it covers"),
    Quirk(
        r"^(ip6?|tcp|frag|gre) (version|hdrlength|doff|reserved\d?|dscp|ecn|flowlabel)"
        r".*\{|^frag (more-fragments|frag-off) .*\{",
        "nft lists elements below an octet unshifted, and counts in octets",
    ),
    Quirk(r"\{ (tcp|ip)\b", "nft takes protocols for names"),
    Quirk(r"@nh,\d,\d |@th,0,1", "nft lists elements below an octet unshifted"),
)


def excused(line: str, quirks: tuple[Quirk, ...]) -> bool:
    """Tell whether the line may be judged otherwise."""
    return any(re.search(quirk.pattern, line) for quirk in quirks)
