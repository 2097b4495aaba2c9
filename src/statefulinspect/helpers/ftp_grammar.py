"""How FTP writes an address and a port, read as leniently as Linux does.

Each reader takes what follows the word, and gives None if that cannot be read to its end. Numbers
are not checked for their range: addresses are put together by bits, ports counted modulo 65536.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final, NamedTuple

from statefulinspect.helpers.digits import DIGITS, counted

CARRIAGE_RETURN: Final = 13
COMMA: Final = 44
OPENING: Final = b"("
DOT: Final = 46
QUAD_OCTETS: Final = DIGITS + b"."
FAMILIES: Final = {4: b"1", 6: b"2"}  # RFC 2428 2
LONGEST_IPV6: Final = 45


class Told(NamedTuple):
    """Hold what was told; `address` is None if it is the teller's own without saying so."""

    address: bytes | None
    port: int


def read_port(rest: bytes, _: int) -> Told | None:
    """Read PORT: six numbers behind the first space, ended by a carriage return."""
    _word_end, space, numbers = rest.partition(b" ")
    return _six(numbers, CARRIAGE_RETURN) if space else None


def read_pasv_answer(rest: bytes, _: int) -> Told | None:
    """Read 227: six numbers from the first digit on, ended by anything else."""
    start = next((at for at, octet in enumerate(rest) if octet in DIGITS), len(rest))
    return _six(rest[start:], None)


def _six(octets: bytes, end: int | None) -> Told | None:
    """Read h1,h2,h3,h4,p1,p2."""
    numbers = _numbers(octets, COMMA, 6, end)
    if numbers is None:
        return None
    high, low = numbers[4:]
    return Told(_quad(numbers[:4]), (high << 8 | low) % (1 << 16))


def _numbers(octets: bytes, separator: int, count: int, end: int | None) -> list[int] | None:
    """Read numbers up to the octet that ends them, None being any other; an empty one is 0."""
    numbers = [0]
    for octet in octets:
        if octet in DIGITS:
            numbers[-1] = (numbers[-1] * 10 + octet - 48) % (1 << 32)
        elif octet == separator and len(numbers) < count:
            numbers.append(0)
        else:
            is_end = len(numbers) == count and octet != separator and end in (None, octet)
            return numbers if is_end else None
    return None


def _quad(numbers: list[int]) -> bytes:
    """Put an IPv4 address together by bits."""
    a, b, c, d = numbers
    return ((a << 24 | b << 16 | c << 8 | d) % (1 << 32)).to_bytes(4, "big")


def read_eprt(rest: bytes, family: int) -> Told | None:
    """Read EPRT: delimiter, family, address and port behind the first space."""
    told = rest.partition(b" ")[2]
    delimiter = told[:1]
    if len(told) < 3 or not _may_delimit(delimiter) or told[1:3] != FAMILIES[family] + delimiter:
        return None
    text, _, behind = told[3:].partition(delimiter)
    port, address = _port(behind, delimiter), _address(text, family)
    return Told(address, port) if port and address is not None else None


def read_epsv_answer(rest: bytes, _: int) -> Told | None:
    """Read 229: three equal delimiters and a port behind an opening parenthesis."""
    told = rest.partition(OPENING)[2]
    delimiter = told[:1]
    if len(told) < 3 or not _may_delimit(delimiter) or told[:3] != delimiter * 3:
        return None
    port = _port(told[3:], delimiter)
    return Told(None, port) if port else None


def _may_delimit(delimiter: bytes) -> bool:
    """Say whether a character may stand between the parts (RFC 2428 2)."""
    return 33 <= delimiter[0] <= 126 and delimiter not in DIGITS


def _port(octets: bytes, delimiter: bytes) -> int:
    """Read digits up to the delimiter, counted modulo 65536; 0 if that cannot be read."""
    digits, found, _ = octets.partition(delimiter)
    return 0 if not found or digits.strip(DIGITS) else counted(digits, 16)


def _address(text: bytes, family: int) -> bytes | None:
    """Read a dotted quad whose numbers may be any, or an IPv6 address as usual."""
    if family == 4:
        numbers = _numbers(text + b"|", DOT, 4, None)
        return None if numbers is None or text.strip(QUAD_OCTETS) else _quad(numbers)
    if len(text) > LONGEST_IPV6 or b"%" in text:
        return None
    try:
        return IPv6Address(text.decode("ascii")).packed
    except ValueError:
        return None
