"""What ICMP and ICMPv6 messages are called, by type, and by code where the code says more.

The words are tcpdump's where it has short ones (RFC 792, RFC 1812, RFC 4443, RFC 4861).
"""

from __future__ import annotations

from typing import Final

from statefulinspect.flowkey import ICMP, ICMPV6

TYPE_NAMES: Final = {
    ICMP: {
        0: "echo reply",
        3: "unreachable",
        4: "source quench",
        5: "redirect",
        8: "echo request",
        9: "router advertisement",
        10: "router solicitation",
        11: "time exceeded",
        12: "parameter problem",
        13: "timestamp request",
        14: "timestamp reply",
        15: "information request",
        16: "information reply",
        17: "address mask request",
        18: "address mask reply",
    },
    ICMPV6: {
        1: "unreachable",
        2: "packet too big",
        3: "time exceeded",
        4: "parameter problem",
        128: "echo request",
        129: "echo reply",
        130: "listener query",
        131: "listener report",
        132: "listener done",
        133: "router solicitation",
        134: "router advertisement",
        135: "neighbour solicitation",
        136: "neighbour advertisement",
        137: "redirect",
        139: "node information query",
        140: "node information reply",
        143: "listener report v2",
    },
}
CODE_NAMES: Final = {
    (ICMP, 3): {
        0: "net unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        4: "fragmentation needed",
        5: "source route failed",
        9: "net prohibited",
        10: "host prohibited",
        13: "admin prohibited",
    },
    (ICMP, 11): {1: "reassembly time exceeded"},
    (ICMPV6, 1): {
        0: "no route",
        1: "admin prohibited",
        2: "beyond scope",
        3: "address unreachable",
        4: "port unreachable",
        5: "source policy failed",
        6: "route rejected",
    },
    (ICMPV6, 3): {1: "reassembly time exceeded"},
}


def message_name(protocol: int, icmp_type: int, icmp_code: int) -> str:
    """Name a message; by its numbers if it has no name."""
    by_code = CODE_NAMES.get((protocol, icmp_type), {})
    by_type = TYPE_NAMES[protocol].get(icmp_type, f"type {icmp_type} code {icmp_code}")
    return by_code.get(icmp_code, by_type)
