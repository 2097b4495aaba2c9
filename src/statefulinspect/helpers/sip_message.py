r"""How a SIP message is written (RFC 3261 7, 20, 25), read as leniently as Linux does.

    REGISTER sip:10.0.2.2 SIP/2.0              the request line: a method, whom it asks
    CSeq: 7 REGISTER                           headers: one that numbers the requests of a call,
    Contact: <sip:ann@10.0.1.2:5070>           where the sender can be reached, by address and port,
     ;expires=600                              and how long; a line that begins with a blank goes on
    l: 0                                       some have a name of one letter: here Content-Length
                                               an empty line, then the body

An answer begins with `SIP/2.0 200 OK` instead, and repeats the CSeq of the request it is for. Over
UDP a message is one datagram; over TCP Content-Length says where it ends.

Lines may end in a carriage return, a newline, or both. Linux does not look for the empty line: a
header counts wherever a line begins with its name, in the body too. What begins with the name of
a header but is none hides all of that name behind it. Whoever finds the start of a line is past its
first octet if that does not fit: so the second of two bare newlines begins no line, and the first
octet of a continued line is lost.
"""

from __future__ import annotations

import re
from typing import Final, Iterator, NamedTuple, Pattern  # noqa: UP035 - Python 3.9

from statefulinspect.helpers.digits import leading_digits
from statefulinspect.helpers.sip_address import read_ipv4, read_ipv6

BREAK: Final = rb"(?:\r\n?|\n)"
FOLD: Final = BREAK + rb"[ \t]+"
LETTER: Final = rb"A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff"  # of Latin-1, too
BLANK_LINE: Final = b"\r\n\r\n"
SHORTEST: Final = len(b"SIP/2.0 200")  # anything below is no message
OVERLAPPING: Final = 8  # contacts that an octet may belong to
LONGEST_NUMBER: Final = 11  # digits
LONGEST_PORT: Final = 5
LOWEST_PORT: Final = 1024
DEFAULT_PORT: Final = 5060


def line_start(name: bytes, short: bytes = b"") -> Pattern[bytes]:
    """Make the pattern for `find_line`: lines that begin with a name, or its letter alone."""
    names = name + (rb"|" + short + rb"(?![" + LETTER + rb"])" if short else b"")
    return re.compile(BREAK + rb"(?:(?P<name>" + names + rb")|.)", re.IGNORECASE | re.DOTALL)


CSEQ: Final = line_start(b"CSeq")
CONTACT: Final = line_start(b"Contact", b"m")
EXPIRES: Final = line_start(b"Expires")
CONTENT_LENGTH: Final = line_start(b"Content-Length", b"l")

# What stands between a header's name and its value, which may begin on the next line.
COLON: Final = re.compile(
    rb"[ \t]*(?:" + FOLD + rb")?:(?:[ \t]*" + FOLD + rb"|[ \t]*(?![ \t\r\n]))"
)
FOLD_AND_ONE: Final = re.compile(FOLD + rb"[^ \t]")
LINE: Final = re.compile(rb"(?:[^\r\n]+|" + FOLD_AND_ONE.pattern + rb")*")
SCHEME: Final = b"sip:"


class Contact(NamedTuple):
    """Hold where somebody can be reached; `parameters` is what follows, in lower case."""

    address: bytes
    port: int
    parameters: bytes

    def may_use(self, transport: bytes) -> bool:
        """Say whether it asks for this transport, or for none.

        Linux looks for the rest of a word that the message breaks off in what follows in the
        segment: that is not done here.
        """
        _, _, asked = self.parameters.partition(b"transport=")
        return not asked or asked.startswith(transport)

    def lifetime(self, default: int) -> int | None:
        """Tell for how many seconds it holds; None if that cannot be read."""
        _, _, seconds = self.parameters.partition(b"expires=")
        return read_number(seconds, 0) if seconds else default


class CSeq(NamedTuple):
    """Hold the number of a request, and where its method follows."""

    number: int
    method_at: int


def find_line(start: Pattern[bytes], octets: bytes, at: int, stop: int) -> tuple[int, int] | None:
    """Find the first line that begins so; give where its name begins and ends."""
    for line in start.finditer(octets, at, stop):
        if line["name"] is not None:
            return line.span("name")
    return None


def find_value(header: Pattern[bytes], octets: bytes, at: int = 0) -> int | None:
    """Find where the value of the next header of that name begins."""
    name = find_line(header, octets, at, len(octets))
    colon = COLON.match(octets, name[1]) if name else None
    return colon.end() if colon else None


def read_number(octets: bytes, at: int) -> int | None:
    """Read a decimal number of up to 11 digits and 32 bits; None if there is none."""
    digits = _digits(octets, at, LONGEST_NUMBER)
    number = int(digits) if digits else 1 << 32
    return number if number < 1 << 32 else None


def _digits(octets: bytes, at: int, at_most: int) -> bytes:
    """Give the digits that stand there; none if there are too many."""
    digits = leading_digits(octets[at : at + at_most + 1])
    return digits if len(digits) <= at_most else b""


def read_cseq(octets: bytes) -> CSeq | None:
    """Read the number of a request; None if there is none."""
    at = find_value(CSEQ, octets)
    number = None if at is None else read_number(octets, at)
    if at is None or number is None:
        return None
    return CSeq(number, at + len(_digits(octets, at, LONGEST_NUMBER)) + 1)


def read_expires(octets: bytes) -> int:
    """Read the lifetime that holds for contacts without one of their own; 0 if there is none."""
    at = find_value(EXPIRES, octets)
    return (read_number(octets, at) if at is not None else None) or 0


def read_contacts(octets: bytes, family: int) -> Iterator[Contact]:
    """Go over the contacts that have an address.

    A header whose first one has none is passed over; behind its first, each one that has none.
    Where continued lines hold headers that hold others, and so on, the work is bounded: Linux would
    read all, in a time that grows with the square of the message.
    """
    value, left = find_value(CONTACT, octets), OVERLAPPING * len(octets)
    while value is not None and left > 0:
        text = _line_at(octets, value)
        left -= len(text)
        at = text.find(SCHEME)
        found = _read_uri(text, at, family) if at >= 0 else None
        if found is not None:
            contact, end = found
            yield contact
            yield from _read_more(text, end, family)
        value = find_value(CONTACT, octets, value)


def _read_more(text: bytes, at: int, family: int) -> Iterator[Contact]:
    """Go over the contacts behind commas."""
    while True:
        comma = text.find(b",", at)
        at = text.find(SCHEME, comma)
        if comma < 0 or at < 0:
            return
        found = _read_uri(text, at, family)
        if found is not None:
            contact, at = found
            yield contact


def _line_at(octets: bytes, at: int) -> bytes:
    """Give a value in lower case, with its continued lines, whose first octets are lost.

    It ends in a newline, unless it ends the message.
    """
    line = LINE.match(octets, at)
    end = line.end() if line else at
    text = FOLD_AND_ONE.sub(b"\n", octets[at:end]).lower()
    return text + b"\n" if end < len(octets) else text


def _read_uri(text: bytes, at: int, family: int) -> tuple[Contact, int] | None:
    """Read sip:user@address:port, where user and port may be missing, and what follows it.

    Something must follow. The text's very last octet separates nothing if it is a comma.
    """
    at += len(SCHEME)
    stop = text.find(b"\n", at)
    user = text.find(b"@", at, stop if stop >= 0 else len(text))
    host = _read_host(text, at if user < 0 else user + 1, family)
    port = _read_port(text, host[1]) if host else None
    if host is None or port is None or port[1] == len(text):
        return None
    number, end = port
    comma = text.find(b",", end, len(text) - 1)
    parameters = text[end:comma] if comma >= 0 else text[end:]
    return Contact(host[0], number, parameters), end


def _read_host(text: bytes, at: int, family: int) -> tuple[bytes, int] | None:
    """Read an address, an IPv6 one between brackets."""
    if family == 4:
        return read_ipv4(text, at)
    found = read_ipv6(text, at + 1) if text[at : at + 1] == b"[" else None
    if found is None:
        return None
    address, end = found
    return (address, end + 1) if text[end : end + 1] == b"]" else None


def _read_port(text: bytes, at: int) -> tuple[int, int] | None:
    """Read a colon and a port if they are there; give the port, and where it ends."""
    if text[at : at + 1] != b":":
        return DEFAULT_PORT, at
    digits = _digits(text, at + 1, LONGEST_PORT)
    port = int(digits) if digits else 0
    return (port, at + 1 + len(digits)) if is_port(port) else None


def is_port(number: int) -> bool:
    """Say whether calls may use a port."""
    return LOWEST_PORT <= number <= 65535


def split_messages(segment: bytes) -> Iterator[bytes]:
    """Go over the messages of a TCP segment, up to the first that is not whole."""
    at = 0
    while len(segment) - at >= SHORTEST:
        value = find_value(CONTENT_LENGTH, segment, at)
        length = None if value is None else read_number(segment, value)
        head = -1 if value is None else segment.find(BLANK_LINE, value)
        if length is None or head < 0 or head + len(BLANK_LINE) + length > len(segment):
            return
        end = head + len(BLANK_LINE) + length
        yield segment[at:end]
        at = end
