"""How numbers and addresses are written: text to number and back, as nft does both.

Each `read_` gives None for a text that is not in its notation; whether the number fits its field
is for `datatypes` to say.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Callable, Final, NamedTuple

from statefulinspect.flowkey import show_address

M32: Final = 0xFFFF_FFFF  # the highest number of 32 bits
_DECIMAL: Final = re.compile(r"[0-9]+")
_OCTAL: Final = re.compile(r"0[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0[xX][0-9a-fA-F]+")
_GROUPS: Final = re.compile(r"[0-9a-fA-F]{1,2}(?:([:-])[0-9a-fA-F]{1,2}(?:\1[0-9a-fA-F]{1,2}){4})?")
_HANDLE: Final = re.compile(r"([0-9a-fA-F]{1,4}):([0-9a-fA-F]{1,4})")


def octets_in(text: str) -> int:
    """Tell how long a text is for nft and the kernel; half of a surrogate pair fits nowhere."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return M32


class Notation(NamedTuple):
    """Name a way to write values, and what to call it in an error."""

    read: Callable[[str], int | None]
    show: Callable[[int], str]
    expects: str


def read_number(text: str) -> int | None:
    """Read 80, 0x50 or the octal 0120; what begins with 0 but is not octal is decimal: 08."""
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    # Python itself refuses to convert thousands of digits, which fit no field anyway.
    return int(text[:100]) if _DECIMAL.fullmatch(text) else None


def read_ipv4(text: str) -> int | None:
    """Read 192.0.2.1, whose parts may be octal (010), or a plain number."""
    parts = text.split(".")
    if len(parts) == 1:
        return read_number(text)
    numbers = [read_number(part) if _DECIMAL.fullmatch(part) else None for part in parts]
    if len(parts) != 4 or any(number is None or number > 255 for number in numbers):
        return None
    return int.from_bytes(bytes(number or 0 for number in numbers), "big")


def show_ipv4(address: int) -> str:
    """Write an IPv4 address with dots."""
    return str(IPv4Address(address))


def read_ipv6(text: str) -> int | None:
    """Read 2001:db8::1, also in brackets; a zone (%eth0) is no part of an address."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return None if "%" in inner else int(IPv6Address(inner))
    except AddressValueError:
        return None


def show_ipv6(address: int) -> str:
    """Write an IPv6 address as inet_ntop does."""
    return show_address(IPv6Address(address))


def read_ethernet(text: str) -> int | None:
    """Read six groups of two hexadecimal digits; one group alone is the last of six."""
    if not _GROUPS.fullmatch(text):
        return None
    return int.from_bytes(bytes(int(group, 16) for group in re.split("[:-]", text)), "big")


def show_ethernet(address: int) -> str:
    """Write an Ethernet address in six groups."""
    return ":".join(f"{octet:02x}" for octet in address.to_bytes(6, "big"))


def read_handle(text: str) -> int | None:
    """Read a handle of traffic control: 1:ff, hexadecimal in both halves, or a plain number."""
    halves = _HANDLE.fullmatch(text)
    if halves is None:
        return read_number(text)
    return int(halves[1], 16) << 16 | int(halves[2], 16)


def show_handle(handle: int) -> str:
    """Write a handle of traffic control in two halves."""
    return f"{handle >> 16:x}:{handle & 0xFFFF:x}"


IPV4: Final = Notation(read_ipv4, show_ipv4, "an IPv4 address (host names are not resolved)")
IPV6: Final = Notation(read_ipv6, show_ipv6, "an IPv6 address (host names are not resolved)")
ETHERNET: Final = Notation(read_ethernet, show_ethernet, "an Ethernet address aa:bb:cc:dd:ee:ff")
HANDLE: Final = Notation(read_handle, show_handle, "a handle like 1:ff, a number up to 0xffffffff")
