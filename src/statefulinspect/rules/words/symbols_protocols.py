"""Which names IP protocols have: IANA's protocol numbers, as /etc/protocols spells them.

nft takes these names from the system it runs on; a library that reads no files has a table. Where
several names stand for one number, the first is the one that nft prints. Names are also known in
the second spelling that /etc/protocols lists: TCP, IPv6-ICMP.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.rules.words.symbols import Symbols

PRINTED: Final[Symbols] = {
    "ip": 0,
    "icmp": 1,
    "igmp": 2,
    "ggp": 3,
    "ipencap": 4,
    "st": 5,
    "tcp": 6,
    "egp": 8,
    "igp": 9,
    "pup": 12,
    "udp": 17,
    "hmp": 20,
    "xns-idp": 22,
    "rdp": 27,
    "iso-tp4": 29,
    "dccp": 33,
    "xtp": 36,
    "ddp": 37,
    "idpr-cmtp": 38,
    "ipv6": 41,
    "ipv6-route": 43,
    "ipv6-frag": 44,
    "idrp": 45,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "skip": 57,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "rspf": 73,
    "vmtp": 81,
    "eigrp": 88,
    "ospf": 89,
    "ax.25": 93,
    "ipip": 94,
    "etherip": 97,
    "encap": 98,
    "pim": 103,
    "ipcomp": 108,
    "vrrp": 112,
    "l2tp": 115,
    "isis": 124,
    "sctp": 132,
    "fc": 133,
    "mobility-header": 135,
    "udplite": 136,
    "mpls-in-ip": 137,
    "manet": 138,
    "hip": 139,
    "shim6": 140,
    "wesp": 141,
    "rohc": 142,
    "ethernet": 143,
}

# Second names, and the spellings that differ by more than capital letters throughout.
READ: Final[Symbols] = {
    "icmpv6": 58,
    "comp": 108,
    "hopopt": 0,
    "HOPOPT": 0,
    "IP-ENCAP": 4,
    "IPv6": 41,
    "IPv6-Route": 43,
    "IPv6-Frag": 44,
    "IPSEC-ESP": 50,
    "IPSEC-AH": 51,
    "IPv6-ICMP": 58,
    "IPv6-NoNxt": 59,
    "IPv6-Opts": 60,
    "CPHB": 73,
    "OSPFIGP": 89,
    "Mobility-Header": 135,
    "UDPLite": 136,
    "MPLS-in-IP": 137,
    "Shim6": 140,
    "Ethernet": 143,
}

INET_PROTO: Final[Symbols] = {**PRINTED, **READ, **{name.upper(): n for name, n in PRINTED.items()}}
