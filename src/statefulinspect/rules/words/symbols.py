"""Which words nftables has for the numbers of its data types, as `nft describe` lists them.

Where several words stand for one number, the first is the one that nft prints. Words for ports are
in `services`, those for IP protocols in `symbols_protocols`.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

Symbols = Mapping[str, int]

NF_PROTO: Final[Symbols] = {"ipv4": 2, "ipv6": 10}

ETHER_TYPE: Final[Symbols] = {
    "ip": 0x0800,
    "arp": 0x0806,
    "ip6": 0x86DD,
    "8021q": 0x8100,
    "8021ad": 0x88A8,
    "vlan": 0x8100,
}

ARP_OP: Final[Symbols] = {
    "request": 1,
    "reply": 2,
    "rrequest": 3,
    "rreply": 4,
    "inrequest": 8,
    "inreply": 9,
    "nak": 10,
}

ICMP_TYPE: Final[Symbols] = {
    "echo-reply": 0,
    "destination-unreachable": 3,
    "source-quench": 4,
    "redirect": 5,
    "echo-request": 8,
    "router-advertisement": 9,
    "router-solicitation": 10,
    "time-exceeded": 11,
    "parameter-problem": 12,
    "timestamp-request": 13,
    "timestamp-reply": 14,
    "info-request": 15,
    "info-reply": 16,
    "address-mask-request": 17,
    "address-mask-reply": 18,
}

ICMP_CODE: Final[Symbols] = {
    "net-unreachable": 0,
    "host-unreachable": 1,
    "prot-unreachable": 2,
    "port-unreachable": 3,
    "net-prohibited": 9,
    "host-prohibited": 10,
    "admin-prohibited": 13,
    "frag-needed": 4,
}

ICMPV6_TYPE: Final[Symbols] = {
    "destination-unreachable": 1,
    "packet-too-big": 2,
    "time-exceeded": 3,
    "parameter-problem": 4,
    "echo-request": 128,
    "echo-reply": 129,
    "mld-listener-query": 130,
    "mld-listener-report": 131,
    "mld-listener-done": 132,
    "mld-listener-reduction": 132,
    "nd-router-solicit": 133,
    "nd-router-advert": 134,
    "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136,
    "nd-redirect": 137,
    "router-renumbering": 138,
    "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142,
    "mld2-listener-report": 143,
}

ICMPV6_CODE: Final[Symbols] = {
    "no-route": 0,
    "admin-prohibited": 1,
    "addr-unreachable": 3,
    "port-unreachable": 4,
    "policy-fail": 5,
    "reject-route": 6,
}

ICMPX_CODE: Final[Symbols] = {
    "port-unreachable": 1,
    "admin-prohibited": 3,
    "no-route": 0,
    "host-unreachable": 2,
}

IGMP_TYPE: Final[Symbols] = {
    "membership-query": 17,
    "membership-report-v1": 18,
    "membership-report-v2": 22,
    "membership-report-v3": 34,
    "leave-group": 23,
}

TCP_FLAG: Final[Symbols] = {
    "fin": 0x01,
    "syn": 0x02,
    "rst": 0x04,
    "psh": 0x08,
    "ack": 0x10,
    "urg": 0x20,
    "ecn": 0x40,
    "cwr": 0x80,
}

DCCP_PKTTYPE: Final[Symbols] = {
    "request": 0,
    "response": 1,
    "data": 2,
    "ack": 3,
    "dataack": 4,
    "closereq": 5,
    "close": 6,
    "reset": 7,
    "sync": 8,
    "syncack": 9,
}

MH_TYPE: Final[Symbols] = {
    "binding-refresh-request": 0,
    "home-test-init": 1,
    "careof-test-init": 2,
    "home-test": 3,
    "careof-test": 4,
    "binding-update": 5,
    "binding-acknowledgement": 6,
    "binding-error": 7,
    "fast-binding-update": 8,
    "fast-binding-acknowledgement": 9,
    "fast-binding-advertisement": 10,
    "experimental-mobility-header": 11,
    "home-agent-switch-message": 12,
}

DSCP: Final[Symbols] = {
    "cs0": 0x00,
    "cs1": 0x08,
    "cs2": 0x10,
    "cs3": 0x18,
    "cs4": 0x20,
    "cs5": 0x28,
    "cs6": 0x30,
    "cs7": 0x38,
    "df": 0x00,
    "be": 0x00,
    "lephb": 0x01,
    "af11": 0x0A,
    "af12": 0x0C,
    "af13": 0x0E,
    "af21": 0x12,
    "af22": 0x14,
    "af23": 0x16,
    "af31": 0x1A,
    "af32": 0x1C,
    "af33": 0x1E,
    "af41": 0x22,
    "af42": 0x24,
    "af43": 0x26,
    "va": 0x2C,
    "ef": 0x2E,
}

ECN: Final[Symbols] = {"not-ect": 0, "ect1": 1, "ect0": 2, "ce": 3}
