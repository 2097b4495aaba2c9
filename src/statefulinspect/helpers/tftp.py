"""Read TFTP requests: the server will answer from a port of its own choosing (RFC 1350).

A client asks the server's well-known port to let it read or write a file. The server answers from
another port, chosen for this transfer alone (its "transfer identifier"), to the port from which
the request came. So what is to come is a UDP flow from the server, any port, to just that port.

The first 16 bits of every TFTP datagram say what it is, and only the two requests announce
anything. Linux takes these bits for the whole request, and reads them in both directions: in a
datagram of the server they announce the same transfer as in one of the client.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import UDP
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, Outcome

READ_REQUEST: Final = b"\x00\x01"  # RFC 1350 5
WRITE_REQUEST: Final = b"\x00\x02"


class TftpHelper:
    """Expect the transfers of TFTP."""

    name = "tftp"
    protocols = frozenset({UDP})
    families = frozenset({4, 6})
    policies: Mapping[str, Policy] = {"": Policy(1, 300.0)}

    def begin(self) -> None:
        """Remember nothing: each request stands for itself."""

    def read(self, message: Message) -> Outcome:
        """Announce the transfer that a request asks for."""
        if not message.payload.startswith((READ_REQUEST, WRITE_REQUEST)):
            return NOTHING
        original = message.connection.original
        client, server = original.source.packed, original.destination.packed
        client_port = original.source_port or 0  # UDP has ports; 0 is one of them
        return (Announce(UDP, client, client_port, source=server),)
