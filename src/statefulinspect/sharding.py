"""By which number a packet is given to one of several trackers, each in a process of its own.

Connections know of one another by what is announced and what is quoted: FTP's data connection by
what was said on its control connection, an ICMP error by the packet in it. Nearly all of that is
between the same two hosts, so the number is made of the two addresses, in whatever order. Only an
error may come from any router on the way: it goes by the addresses of the packet that it quotes.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from statefulinspect.decoding import decode
from statefulinspect.extensions import EXTENSIONS
from statefulinspect.flowkey import ICMP, ICMP_PROTOCOLS, ICMPV6
from statefulinspect.machines.icmp import MessageKind, kind_of, quote_at
from statefulinspect.packet import PacketLike, to_bytes

NOWHERE: Final = 0  # the number of what has no addresses
MAY_QUOTE_IPV6: Final = EXTENSIONS | {ICMPV6}  # first headers with which an error may begin


def shard_key(packet: PacketLike) -> int:
    """Give the number, 0 to 2**32 - 1, by which packets are shared among several trackers.

    It is the same for all packets between two hosts, whatever way, protocol and ports, and in every
    process and run: a data connection of FTP comes where its control connection is, a fragment
    where the others are, and an ICMP error where the packet that it quotes came. So several
    trackers answer what one would:

    >>> from statefulinspect import Tracker
    >>> workers = [Tracker() for _ in range(4)]  # let each be in a process of its own
    >>> request = bytes.fromhex("4500001c0000400040110000 0a000001 0a000002 04000035 00080000")
    >>> answer = bytes.fromhex("4500001c0000400040110000 0a000002 0a000001 00350400 00080000")
    >>> for packet in (request, answer):
    ...     worker = workers[shard_key(packet) % len(workers)]
    ...     print(worker.process(packet, now=0.0).ct_state.value)
    new
    established

    What is announced for other hosts does not come together: FTP sent on to a third host, SIP's
    media elsewhere, files of IRC (DCC), answers to a NetBIOS broadcast. Nor does an error that is
    itself in fragments: they go by their own addresses. And each tracker has limits of its own:
    what it holds, and what of one source, it counts without the others.

    `packet` is what `Tracker.process` takes. Whatever its bytes are, there is a number; it is 0 for
    what is not IP, and for what ends before its addresses do. TypeError for another type.
    """
    wire = packet if type(packet) is bytes else to_bytes(packet)
    version = wire[0] >> 4 if wire else 0
    # One path for both, with offsets from a table, took half as much time again.
    if version == 4 and len(wire) >= 20:
        if wire[9] == ICMP:
            wire = _subject(wire, 20)
        source, destination = wire[12:16], wire[16:20]
    elif version == 6 and len(wire) >= 40:
        if wire[6] in MAY_QUOTE_IPV6:
            wire = _subject(wire, 40)
        source, destination = wire[8:24], wire[24:40]
    else:
        return NOWHERE
    return crc32(source + destination if source < destination else destination + source)


def _subject(wire: bytes, header: int) -> bytes:
    """Give the packet that an ICMP error quotes, if its IP header is there; else the packet itself.

    As when connections are looked up, nobody asks for the quoted packet's version.
    """
    packet = decode(wire)
    is_message = packet.key is not None and packet.protocol in ICMP_PROTOCOLS
    if not is_message or kind_of(packet) is not MessageKind.ERROR:
        return wire
    quote = wire[quote_at(packet) : packet.stop]
    return quote if len(quote) >= header else wire
