"""Read SANE control connections: where a scanner's pictures come from (SANE standard 5).

A client tells a scanner's server over TCP (port 6566) what to do, by numbered procedures. To the
call of SANE_NET_START the server answers with a port, and the client connects to it to fetch the
picture. So what is to come is a TCP connection from the client, any port, to the server and that
port.

On the wire all numbers are 32-bit words in network order. A call of SANE_NET_START is two words, 7
and the scanner's handle; the answer begins with a status, 0 if all is well, and the port, of whose
word the upper half must be zero. Only an answer right after the call counts, and one answer only:
the helper remembers that it waits for one. The client's segments of another size than two words
are not looked at, nor do they end the waiting.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import TCP
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, Outcome

NET_START: Final = (7).to_bytes(4, "big")  # the procedure's number
CALL_SIZE: Final = 8
SUCCESS: Final = bytes(6)  # the status, and the upper half of the port's word
ANSWER_SIZE: Final = 8


@attrs.define
class Waiting:
    """Remember whether the client's last call was one to start."""

    for_port: bool = False


class SaneHelper:
    """Expect the data connections of SANE."""

    name = "sane"
    protocols = frozenset({TCP})
    families = frozenset({4, 6})
    policies: Mapping[str, Policy] = {"": Policy(1, 300.0)}

    def begin(self) -> Waiting:
        """Wait for nothing yet."""
        return Waiting()

    def read(self, message: Message) -> Outcome:
        """Announce the connection whose port answers the call to start."""
        waiting, payload = message.memory, message.payload
        assert isinstance(waiting, Waiting)
        if not message.side.is_reply:
            if len(payload) == CALL_SIZE:
                waiting.for_port = payload.startswith(NET_START)
            return NOTHING
        if not payload or not waiting.for_port:
            return NOTHING
        waiting.for_port = False
        if len(payload) < ANSWER_SIZE or not payload.startswith(SUCCESS):
            return NOTHING
        port = int.from_bytes(payload[6:8], "big")
        return (Announce(TCP, message.sender, port, source=message.receiver),)
