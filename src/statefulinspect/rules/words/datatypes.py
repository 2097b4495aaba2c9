"""Which data types nftables has: what the values in a rule stand for, and how they are written.

Every selector (`tcp dport`), set and map has a data type; it turns the words on the right side of
a comparison into values and prints them as `nft list ruleset` does. The names of the types are
those of `nft describe`, with two of our own: `instant` is the type of `meta time`, which nft calls
`time` just as it calls durations; `cgroup` is nft's `integer` of 32 bits for `meta cgroup`.

Durations (`time`) count milliseconds, instants nanoseconds since 1970, hours of the day seconds;
the latter two are in UTC. Symbols come from tables: no file of the system is read, so of user,
group, realm and device group only the names of the number 0 are known.
"""

from __future__ import annotations

import copyreg
from typing import Callable, Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.words import symbols, symbols_notation, symbols_system, symbols_time
from statefulinspect.rules.words.services import INET_SERVICE
from statefulinspect.rules.words.symbols_protocols import INET_PROTO
from statefulinspect.rules.words.symbols_types import (
    BitmaskType,
    DataType,
    InterfaceType,
    LabelType,
    Scalar,
    TextType,
    WrittenType,
)

__all__ = ["TYPES", "BitmaskType", "DataType", "Scalar", "interface_pattern"]

_ALL: Final = (
    DataType("integer"),
    BitmaskType("bitmask"),
    TextType("string"),
    WrittenType("verdict"),
    DataType("boolean", 1, symbols=symbols_system.BOOLEAN),
    # Link layer
    WrittenType("ether_addr", 48, notation=symbols_notation.ETHERNET),
    WrittenType("ll_addr", 48, notation=symbols_notation.ETHERNET),
    DataType("ether_type", 16, symbols=symbols.ETHER_TYPE, number_form="0x{:04x}"),
    DataType("arp_op", 16, symbols=symbols.ARP_OP),
    # Network layer
    DataType("nf_proto", 8, symbols=symbols.NF_PROTO),
    DataType("inet_proto", 8, symbols=INET_PROTO),
    WrittenType("ipv4_addr", 32, notation=symbols_notation.IPV4),
    WrittenType("ipv6_addr", 128, notation=symbols_notation.IPV6),
    DataType("dscp", 6, symbols=symbols.DSCP, number_form="0x{:02x}"),
    DataType("ecn", 2, symbols=symbols.ECN),
    DataType("icmp_type", 8, symbols=symbols.ICMP_TYPE),
    DataType("icmp_code", 8, symbols=symbols.ICMP_CODE),
    DataType("icmpv6_type", 8, symbols=symbols.ICMPV6_TYPE),
    DataType("icmpv6_code", 8, symbols=symbols.ICMPV6_CODE),
    DataType("icmpx_code", 8, symbols=symbols.ICMPX_CODE),
    DataType("igmp_type", 8, symbols=symbols.IGMP_TYPE),
    DataType("mh_type", 8, symbols=symbols.MH_TYPE),
    DataType("fib_addrtype", 32, symbols=symbols_system.FIB_ADDRTYPE),
    # Transport layer; nft shows ports as numbers
    DataType("inet_service", 16, symbols=INET_SERVICE, prints_symbols=False),
    BitmaskType("tcp_flag", 8, symbols=symbols.TCP_FLAG),
    DataType("dccp_pkttype", 4, symbols=symbols.DCCP_PKTTYPE),
    # Connections
    BitmaskType("ct_state", 32, symbols=symbols_system.CT_STATE),
    DataType("ct_dir", 8, symbols=symbols_system.CT_DIR),
    BitmaskType("ct_status", 32, symbols=symbols_system.CT_STATUS),
    BitmaskType("ct_event", 32, symbols=symbols_system.CT_EVENT),
    LabelType("ct_label", 128),
    # What comes with the packet
    DataType("mark", 32, number_form="0x{:08x}"),
    InterfaceType("iface_index", 32),
    TextType("ifname", 128),
    DataType("iface_type", 16, symbols=symbols_system.IFACE_TYPE),
    DataType("uid", 32, symbols=symbols_system.SUPERUSER, prints_symbols=False),
    DataType("gid", 32, symbols=symbols_system.SUPERUSER, prints_symbols=False),
    DataType("realm", 32, symbols=symbols_system.REALM, quotes=True),
    DataType("devgroup", 32, symbols=symbols_system.DEVGROUP, quotes=True),
    WrittenType(
        "classid", 32, symbols=symbols_system.CLASSID, notation=symbols_notation.HANDLE
    ),
    DataType("pkt_type", 8, symbols=symbols_system.PKT_TYPE),
    DataType("cgroup", 32),
    TextType("cgroupsv2"),
    # Time
    WrittenType("time", 32, notation=symbols_time.DURATION),
    WrittenType("instant", 64, notation=symbols_time.INSTANT, quotes=True),
    DataType("day", 8, symbols=symbols_system.DAY, highest=6, quotes=True),
    WrittenType("hour", 32, notation=symbols_time.HOUR, quotes=True),
)  # fmt: skip

TYPES: Final[Mapping[str, DataType]] = {each.name: each for each in _ALL}


def _named(name: str) -> DataType:
    return TYPES[name]


def _reduced(kind: DataType) -> tuple[Callable[[str], DataType], tuple[str]]:
    """Let a type stay the same when a rule is copied or pickled: there is one of each name."""
    return _named, (kind.name,)


for _kind in dict.fromkeys(map(type, _ALL)):
    copyreg.pickle(_kind, _reduced)


def interface_pattern(name: str) -> tuple[str, bool]:
    r"""Split the value of an `ifname` into a text and whether it is only the beginning of names.

    >>> interface_pattern("eth*"), interface_pattern(r"eth\*")
    (('eth', True), ('eth*', False))
    """
    if name.endswith(r"\*"):
        return name[:-2] + "*", False
    return (name[:-1], True) if name.endswith("*") else (name, False)
