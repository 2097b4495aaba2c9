r"""How a call's media are described: the lines of SDP (RFC 4566) that name addresses and ports.

    v=0                          where the description begins
    c=IN IP4 10.0.1.2            the address, for all media that do not give their own
    m=audio 4000 RTP/AVP 0       a medium and its port; the next port is for its control (RTCP)
    m=video 5000 RTP/AVP 31
    c=IN IP4 10.0.1.3            the address for this medium

Port 0 means that a medium is not wanted. Three media are read, of those kinds that anybody expects.
A line `m=` whose first word is not followed by a space ends the description; one without a port is
passed over. `c=` counts up to the next `m=`, and the first one decides, even if it cannot be read.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, Iterator, NamedTuple  # noqa: UP035 - Python 3.9

from statefulinspect.helpers.sip_address import read_address
from statefulinspect.helpers.sip_message import (
    LETTER,
    find_line,
    line_start,
    read_number,
)

KINDS: Final = {b"audio": "audio", b"video": "video", b"image": "image"}
AT_MOST: Final = 3  # media of one description
NETWORKS: Final = {4: b"IN IP4 ", 6: b"IN IP6 "}
VERSION: Final = line_start(b"v=")
MEDIUM: Final = line_start(b"m=")
CONNECTION: Final = line_start(b"c=")
NAME: Final = re.compile(rb"([" + LETTER + rb"]*) ")
REST: Final = re.compile(rb"[^\r\n]*")


class Medium(NamedTuple):
    """Hold one medium: its kind, the port as it stands there, the address if there is one."""

    kind: str
    port: int
    address: bytes | None


def read_media(octets: bytes, family: int) -> list[Medium]:
    """Read the media that a message describes and wants."""
    version = find_line(VERSION, octets, 0, len(octets))
    if version is None or not octets[version[1] : version[1] + 1].isdigit():
        return []
    first = find_line(MEDIUM, octets, version[1], len(octets))
    session = read_connection(octets, (version[1], first[0]), family) if first else None
    return list(islice(_read_sections(octets, first, session, family), AT_MOST))


def _read_sections(
    octets: bytes, line: tuple[int, int] | None, session: bytes | None, family: int
) -> Iterator[Medium]:
    """Go over the media that are wanted, from a line on."""
    while line is not None:
        name = NAME.match(octets, line[1])
        if name is None:
            return
        line = find_line(MEDIUM, octets, name.end(), len(octets))
        kind, port = KINDS.get(name[1]), read_number(octets, name.end())
        if kind is not None and port:
            section = name.end(), line[0] if line else len(octets)
            yield Medium(kind, port, read_connection(octets, section, family) or session)


def read_connection(octets: bytes, section: tuple[int, int], family: int) -> bytes | None:
    """Read the address of a part of the description; None if there is none."""
    line = find_line(CONNECTION, octets, *section)
    rest = REST.match(octets, line[1]) if line else None
    network = octets.find(NETWORKS[family], *rest.span()) if rest else -1
    found = read_address(octets, network + len(NETWORKS[family]), family) if network >= 0 else None
    return found[0] if found else None
