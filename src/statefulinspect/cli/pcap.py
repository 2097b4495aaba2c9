"""How a pcap file is cut into frames (draft-ietf-opsawg-pcap).

A file header names byte order, resolution of the times, snap length and link type; each record has
a header with its time, the octets captured and the octets that there were. dpkt knows the headers.
The walk is made here, for dpkt's `Reader` hides the original length and hands out the torn last
record of a file as if it were whole.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from dpkt import pcap

from statefulinspect.cli.frame import SECOND, CaptureError, Frame
from statefulinspect.cli.linklayer import require_known
from statefulinspect.cli.source import CaptureSource

NANOSECOND_MAGICS: Final = frozenset({pcap.TCPDUMP_MAGIC_NANO, pcap.PMUDPCT_MAGIC_NANO})
LITTLE_ENDIAN: Final = frozenset(
    {pcap.PMUDPCT_MAGIC, pcap.PMUDPCT_MAGIC_NANO, pcap.PACPDOM_MAGIC}  # as read in big endian
)
MAGICS: Final = frozenset(magic.to_bytes(4, "big") for magic in pcap.MAGIC_TO_PKT_HDR)


def read_pcap(source: CaptureSource) -> Generator[Frame, None, None]:
    """Read frame after frame; CaptureError where the file is cut, damaged or not supported."""
    octets = source.take(pcap.FileHdr.__hdr_len__)
    magic = int.from_bytes(octets[:4], "big")
    header = (pcap.LEFileHdr if magic in LITTLE_ENDIAN else pcap.FileHdr)(octets)
    link_type = _link_type(header)
    record_class: Any = pcap.MAGIC_TO_PKT_HDR[magic]
    nanoseconds = 1 if magic in NANOSECOND_MAGICS else 1000
    while octets := source.take_or_end(record_class.__hdr_len__):
        record = record_class(octets)
        yield Frame(
            record.tv_sec * SECOND + record.tv_usec * nanoseconds,
            link_type,
            source.take(record.caplen),
            record.len,
            header.snaplen,
        )


def _link_type(header: Any) -> int:
    """Give the link type of a file, if both the format and the link type are supported."""
    version = (header.v_major, header.v_minor)
    if not (2, 3) <= version < (3, 0):  # before 2.3, the two lengths of a record were swapped
        msg = f"pcap version {version[0]}.{version[1]} is not supported, only 2.4"
        raise CaptureError(msg)
    link_type = int(header.linktype) & 0xFFFF  # the upper half tells of checksums behind frames
    require_known({link_type})
    return link_type
