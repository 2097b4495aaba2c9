"""How a pcapng file is cut into frames (draft-ietf-opsawg-pcapng).

A file is a run of sections, a section a run of blocks. Its header block names the byte order;
each interface block describes one interface, and each packet block says on which interface, by its
number in the section, the packet was seen. Link type and clock belong to the interface.

dpkt knows the headers of the blocks. The walk is made here: dpkt's `Reader` applies the first
interface to all packets, passes over sections and simple packets, and fails at comments that are
not UTF-8.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Final, Literal, NoReturn

import attrs
from dpkt import pcapng

from statefulinspect.cli.frame import SECOND, CaptureError, Frame
from statefulinspect.cli.linklayer import require_known
from statefulinspect.cli.source import CaptureSource

SECTION_MAGIC: Final = b"\x0a\x0d\x0d\x0a"  # the same in both byte orders
BYTE_ORDERS: Final[dict[bytes, Literal["little", "big"]]] = {
    pcapng.BYTE_ORDER_MAGIC.to_bytes(4, "little"): "little",
    pcapng.BYTE_ORDER_MAGIC.to_bytes(4, "big"): "big",
}
INTERFACE: Final = pcapng.PCAPNG_BT_IDB
ENHANCED_PACKET: Final = pcapng.PCAPNG_BT_EPB
OBSOLETE_PACKET: Final = pcapng.PCAPNG_BT_PB
SIMPLE_PACKET: Final = pcapng.PCAPNG_BT_SPB
HEADERS: Final[dict[tuple[str, int], Any]] = {
    ("little", INTERFACE): pcapng.InterfaceDescriptionBlockLE,
    ("little", ENHANCED_PACKET): pcapng.EnhancedPacketBlockLE,
    ("little", OBSOLETE_PACKET): pcapng.PacketBlockLE,
    ("big", INTERFACE): pcapng.InterfaceDescriptionBlock,
    ("big", ENHANCED_PACKET): pcapng.EnhancedPacketBlock,
    ("big", OBSOLETE_PACKET): pcapng.PacketBlock,
}
OPTIONS_AT: Final = 16  # in an interface block
DATA_AT: Final = 28  # in both kinds of packet blocks


@attrs.frozen
class Interface:
    """Hold what an interface block says of the packets seen there."""

    link_type: int
    snap_length: int
    ticks_per_second: int
    offset_seconds: int

    def at_ns(self, ticks: int) -> int:
        """Turn the interface's clock into nanoseconds since 1970."""
        return self.offset_seconds * SECOND + ticks * SECOND // self.ticks_per_second


@attrs.define
class Section:
    """Hold a section's byte order and the interfaces described so far."""

    byte_order: Literal["little", "big"]
    interfaces: list[Interface] = attrs.Factory(list)

    def number(self, octets: bytes) -> int:
        """Read an unsigned number."""
        return int.from_bytes(octets, self.byte_order)

    def header(self, kind: int, block: bytes) -> Any:
        """Read the fixed fields of a block, and neither its options nor its data."""
        header = HEADERS[self.byte_order, kind]()
        if len(block) < header.__hdr_len__:
            _refuse(f"a block of {len(block)} octets")
        header.unpack_hdr(block)
        return header


def read_pcapng(source: CaptureSource) -> Generator[Frame, None, None]:
    """Read frame after frame; CaptureError where the file is cut, damaged or not supported.

    One known link type among those of the frames is enough; without any it fails at the end.
    """
    link_types = set()
    for frame in _frames(source):
        link_types.add(frame.link_type)
        yield frame
    require_known(link_types)


def _frames(source: CaptureSource) -> Iterator[Frame]:
    """Read block after block for frames."""
    section = Section("little")
    while head := source.take_or_end(8):
        if head[:4] == SECTION_MAGIC:
            section = _begin_section(source, head)
            continue
        block = _finish_block(source, head, section)
        kind = section.number(head[:4])
        if kind == INTERFACE:
            section.interfaces.append(_interface(block, section))
        elif kind in (ENHANCED_PACKET, OBSOLETE_PACKET):
            yield _frame(section.header(kind, block), block, section)
        elif kind == SIMPLE_PACKET:
            msg = "holds a simple packet block, which carries no time: it cannot be tracked"
            raise CaptureError(msg)


def _begin_section(source: CaptureSource, head: bytes) -> Section:
    """Read a section header: the byte order first, for without it no length can be read."""
    magic = source.take(4)
    if magic not in BYTE_ORDERS:
        _refuse("a section without a byte order")
    section = Section(BYTE_ORDERS[magic])
    block = _finish_block(source, head + magic, section)
    version = section.number(block[12:14])
    if version != pcapng.PCAPNG_VERSION_MAJOR:
        msg = f"pcapng version {version} is not supported, only 1"
        raise CaptureError(msg)
    return section


def _finish_block(source: CaptureSource, begun: bytes, section: Section) -> bytes:
    """Give a whole block, of which the first octets were read; its length is at both ends."""
    length = section.number(begun[4:8])
    if length < len(begun) + 4:
        _refuse(f"a block of {length} octets")
    block = begun + source.take(length - len(begun))
    if block[-4:] != begun[4:8]:
        _refuse("a block whose two lengths differ")
    return block


def _interface(block: bytes, section: Section) -> Interface:
    header = section.header(INTERFACE, block)
    options = _options(block[OPTIONS_AT:-4], section)
    resolution = options.get(pcapng.PCAPNG_OPT_IF_TSRESOL, b"\x06")[0]
    offset = options.get(pcapng.PCAPNG_OPT_IF_TSOFFSET, bytes(8))
    if len(offset) != 8:
        _refuse(f"an interface whose clock is off by {len(offset)} octets: expected 8")
    return Interface(
        header.linktype,
        header.snaplen,
        2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution,
        int.from_bytes(offset, section.byte_order, signed=True),
    )


def _options(octets: bytes, section: Section) -> dict[int, bytes]:
    """Collect the options that have a value, by code; each is padded to 32 bits."""
    found = {}
    while octets:
        code, length = section.number(octets[:2]), section.number(octets[2:4])
        if code == pcapng.PCAPNG_OPT_ENDOFOPT:
            break
        value = octets[4 : 4 + length]
        if value:
            found[code] = value
        octets = octets[4 + length + -length % 4 :]
    return found


def _frame(header: Any, block: bytes, section: Section) -> Frame:
    """Make the frame of a packet block, with the link type and the clock of its interface."""
    if header.iface_id >= len(section.interfaces):
        _refuse(f"a packet of interface {header.iface_id}, which is not described")
    if DATA_AT + header.caplen > len(block) - 4:
        _refuse(f"a packet of {header.caplen} octets in a block of {len(block)}")
    interface = section.interfaces[header.iface_id]
    return Frame(
        interface.at_ns(header.ts_high << 32 | header.ts_low),
        interface.link_type,
        block[DATA_AT : DATA_AT + header.caplen],
        header.pkt_len,
        interface.snap_length,
    )


def _refuse(what: str) -> NoReturn:
    """Report a file that contradicts itself."""
    msg = f"damaged: it holds {what}"
    raise CaptureError(msg)
