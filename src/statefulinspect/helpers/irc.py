r"""Read IRC control connections: where a client offers a direct one (DCC).

IRC (RFC 1459) passes lines through servers. To send somebody a file, or to chat unheard, a client
opens a port of its own and tells the other one of it in a line like

    PRIVMSG bob :\1DCC SEND photo.jpg 167772418 5000 70321\1

The octets 1 mark a message for programs (CTCP); the address stands there as a decimal number of
32 bits, the port behind it. So what is to come is a TCP connection to this client and that port;
where from the server knows, and nobody between client and server.

Only the client is read, and one offer of each segment. The segment must begin with the line (but
blanks and line ends may stand before). An offer of a kind that announces no connection, such as
RESUME, is passed over; any other text ends the search. What is not written so is no offer, nor is
one of another host's address or of port 0. Digits are counted modulo 2**32 and 2**16. Linux 6.18
reads no offer in the last octets of a segment, even if the shortest ones would fit there.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import TCP
from statefulinspect.helpers.digits import counted, leading_digits
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, Outcome

LONGEST: Final = 4095  # octets of a segment that are read
COMMAND: Final = b"PRIVMSG "
MARK: Final = b" :"
CTCP: Final = MARK + b"\x01DCC "
OFFERS: Final = (b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT ")
SHORTEST: Final = 27  # octets from the mark to the segment's end
SPACE: Final = b" "
NEWLINE: Final = b"\n"
REGISTRATION: Final = (b"PASS ", b"NICK ", b"USER ", b"CAP ")  # RFC 2812 3.1, IRCv3


@attrs.define
class Progress:
    """Remember whether the client has begun as IRC clients do."""

    is_registered: bool = False


class IrcHelper:
    """Expect the direct connections that IRC clients offer."""

    name = "irc"
    protocols = frozenset({TCP})
    families = frozenset({4})
    policies: Mapping[str, Policy] = {"": Policy(8, 300.0)}

    def begin(self) -> Progress:
        """Remember that the client has not said anything yet."""
        return Progress()

    def suspects(self, message: Message) -> bool:
        """Say whether the client does not begin with registering itself."""
        progress = message.memory
        assert isinstance(progress, Progress)
        if message.side.is_reply or progress.is_registered:
            return False
        progress.is_registered = message.payload[:5].upper().startswith(REGISTRATION)
        return not progress.is_registered

    def read(self, message: Message) -> Outcome:
        """Announce the connection that the client offers."""
        if message.side.is_reply:
            return NOTHING
        address, port = read_ends(find_offer(message.payload[:LONGEST]))
        if address.to_bytes(4, "big") != message.sender or not port:
            return NOTHING
        return (Announce(TCP, message.sender, port),)


def find_offer(payload: bytes) -> bytes:
    """Give the address and port of the first offer, still to be read; empty if there is none."""
    line = payload.lstrip(b" \r\n")
    if line[: len(COMMAND)].upper() != COMMAND:
        return b""
    at = line.find(MARK, len(COMMAND))
    while 0 <= at <= len(line) - SHORTEST and line.startswith(CTCP, at):
        at += len(CTCP)
        word = next((word for word in OFFERS if line.startswith(word, at)), None)
        if word is not None:
            _file, _, ends = line[at + len(word) :].partition(SPACE)
            return ends if NEWLINE in ends else b""
        at = line.find(MARK, at)
    return b""


def read_ends(octets: bytes) -> tuple[int, int]:
    """Read an address and a port, both decimal, with blanks between them; 0 if one is not there."""
    address = leading_digits(octets)
    port = leading_digits(octets[len(address) :].lstrip(SPACE))
    return counted(address, 32), counted(port, 16)
