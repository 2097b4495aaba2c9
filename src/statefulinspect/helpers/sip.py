"""Read SIP control connections: where telephones will send voice and pictures, and call each other.

SIP (RFC 3261) sets up calls. Who calls sends an INVITE, and both ends describe in it and in its
answer where they want to receive each medium (RFC 4566): an address, and an even port for the data
beside the next port for its control. So what is to come for each medium is a pair of UDP flows,
from the other end of the control connection. Until the call stands, UPDATE, PRACK and ACK may
change the description. BYE ends the call, and so does any final answer but "OK" to the INVITE.

Before, a telephone has told its server with REGISTER where it can be reached itself. From there on
the server may begin a control connection to it, as often as it likes, for as long as the server has
granted in its answer. That answer has to come first, and is known by the number in its CSeq. Who
is called that way cannot register in turn.

Only addresses of the one who sends them count, for anybody else's would open the firewall towards
others: what names another host is passed over. What lacks the number, or a medium without an
address or with a port below 1024, makes Linux drop the packet.
"""

from __future__ import annotations

import re
from typing import Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import TCP, UDP
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.sip_reading import Progress, SipReading
from statefulinspect.helpers.statements import NOTHING, Outcome, Refuse
from statefulinspect.terms import Reason

BEGINNING: Final = re.compile(rb"[\r\n]*(?:[A-Z]+ (?:sips?|tel):|SIP/2\.0 )", re.IGNORECASE)


class SipHelper:
    """Expect the media of calls, and calls from a server."""

    name = "sip"
    protocols = frozenset({TCP, UDP})
    families = frozenset({4, 6})
    policies: Mapping[str, Policy] = {
        "signalling": Policy(1, 180.0),
        "audio": Policy(4, 180.0),
        "video": Policy(4, 180.0),
        "image": Policy(2, 180.0),
    }

    def begin(self) -> Progress:
        """Remember nothing yet."""
        return Progress()

    def suspects(self, message: Message) -> bool:
        """Say whether the client of a TCP connection does not begin with a SIP message.

        Blank lines are none: they keep connections alive (RFC 5626 3.5.1).
        """
        progress = message.memory
        assert isinstance(progress, Progress)
        is_client = message.connection.protocol == TCP and not message.side.is_reply
        if not is_client or progress.has_begun or not message.payload.strip(b"\r\n"):
            return False
        progress.has_begun = bool(BEGINNING.match(message.payload))
        return not progress.has_begun

    def read(self, message: Message) -> Outcome:
        """Say what follows from each message of a packet, up to the first that is refused."""
        if not message.payload:
            return NOTHING
        assert isinstance(message.memory, Progress)
        reading = SipReading(message, message.memory)
        for octets in reading.split():
            if not reading.read(octets):
                return Refuse(Reason.HELPER_MALFORMED, tuple(reading.said))
        return reading.said
