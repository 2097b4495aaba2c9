"""How addresses are written in SIP messages and SDP descriptions; read where they stand."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

HEX_RUN: Final = re.compile(rb"[0-9A-Fa-f:]*")
QUAD: Final = re.compile(rb"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)(?![0-9A-Fa-f.])")


def read_address(octets: bytes, at: int, family: int) -> tuple[bytes, int] | None:
    """Read an address; give its wire octets, and where it ends."""
    return read_ipv4(octets, at) if family == 4 else read_ipv6(octets, at)


def read_ipv4(octets: bytes, at: int) -> tuple[bytes, int] | None:
    """Read four decimal numbers between dots, with any zeros before them."""
    found = QUAD.match(octets, at)
    if not found:
        return None
    numbers = [part.lstrip(b"0") or b"0" for part in found.groups()]
    if any(len(number) > 3 or int(number) > 255 for number in numbers):
        return None
    return bytes(map(int, numbers)), found.end()


def read_ipv6(octets: bytes, at: int) -> tuple[bytes, int] | None:
    """Read groups of hexadecimal digits, the last two perhaps written as an IPv4 address."""
    run = HEX_RUN.match(octets, at)
    text, end = (run.group(), run.end()) if run else (b"", at)
    if octets[end : end + 1] == b".":
        text = text[: text.rfind(b":") + 1]
        quad = read_ipv4(octets, at + len(text))
        if quad is None:
            return None
        tail, end = quad
        text += b"%x:%x" % (tail[0] << 8 | tail[1], tail[2] << 8 | tail[3])
    groups = [group.lstrip(b"0") or group[:1] for group in text.split(b":")]
    try:
        return IPv6Address(b":".join(groups).decode("ascii")).packed, end
    except ValueError:
        return None
