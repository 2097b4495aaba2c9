"""Read Amanda's control datagrams: where a backup's streams will go (Amanda security API, "bsd").

Amanda, a backup system, talks over UDP (port 10080): its server asks a client machine for a
backup, and that one answers with a line like

    CONNECT DATA 50001 MESG 50002 INDEX 50003

which names the TCP ports where it offers the data, its messages and an index; newer ones offer a
STATE too. The server, who sent the first datagram, then connects to each. So what is to come is a
TCP connection from there, any port, to the answering machine and that port.

Only what goes against the first datagram is read. It also keeps the control connection alive for
five minutes, for a backup takes long to prepare. The words may stand anywhere in the line that
follows CONNECT, each is looked for once, in the order of the table, and the first whose port is 0
or missing ends the search.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import TCP, UDP
from statefulinspect.helpers.digits import counted, leading_digits
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, AnnounceEach, Outcome, Renew

CONNECT: Final = b"CONNECT "
STREAMS: Final = (b"DATA ", b"MESG ", b"INDEX ", b"STATE ")
NEWLINE: Final = b"\n"
LONGEST_PORT: Final = 5  # digits; more are not read
LIFE: Final = 300.0  # seconds that the control connection is kept for each answer


class AmandaHelper:
    """Expect the streams of Amanda."""

    name = "amanda"
    protocols = frozenset({UDP})
    families = frozenset({4, 6})
    policies: Mapping[str, Policy] = {"": Policy(4, 180.0)}

    def begin(self) -> None:
        """Remember nothing: each answer stands for itself."""

    def read(self, message: Message) -> Outcome:
        """Keep the control connection alive, and announce the streams that an answer offers."""
        if not message.side.is_reply:
            return NOTHING
        server, client = message.receiver, message.sender
        ports = read_ports(message.payload)
        streams = tuple(Announce(TCP, client, port, source=server) for port in ports)
        return Renew(LIFE), AnnounceEach(streams)


def read_ports(payload: bytes) -> list[int]:
    """List the ports that an answer offers, in the order of `STREAMS`."""
    _, _, behind = payload.partition(CONNECT)
    line, is_whole, _ = behind.partition(NEWLINE)
    if not is_whole:
        return []
    offered = [line.partition(word) for word in STREAMS]
    ports = (read_port(digits) for _, found, digits in offered if found)
    return list(takewhile(bool, ports))


def read_port(octets: bytes) -> int:
    """Read up to five digits modulo 65536; 0 if there are none."""
    return counted(leading_digits(octets[:LONGEST_PORT]), 16)
