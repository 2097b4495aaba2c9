"""What a helper is: a reader of one protocol's control connections.

Some protocols agree, inside one connection, on another that is yet to come: FTP names the port of a
transfer, SIP those of a call. A helper reads the control connection and says what to expect; the
tracker does the rest. A helper never touches a table, keeps all it remembers in the connection's
`memory`, and can open nothing that the rules do not let pass as RELATED.

It sees each packet that the rules have accepted, once and as it came: TCP segments are not put
together, unless the configuration asks for it. Write your own like those beside this file: a class
with the attributes of `Helper` and the two methods.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Protocol, Sequence, runtime_checkable  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.connection import Connection, Side
from statefulinspect.helpers.statements import Outcome, Statement


class Policy(NamedTuple):
    """Say how many expectations of one kind a connection may have at once, and for how long."""

    at_most: int
    timeout: float


@attrs.frozen
class Message:
    """Hold what a helper reads: one packet's payload, and who sent it on which connection.

    `seq` is the TCP sequence number of the payload's first octet, 0 for UDP. `memory` is what
    `Helper.begin` made for this connection.
    """

    side: Side
    payload: bytes
    seq: int
    now: float

    @property
    def connection(self) -> Connection:
        """Give the control connection."""
        return self.side.connection

    @property
    def memory(self) -> object:
        """Give what the helper remembers of this connection."""
        return self.side.connection.helper_memory

    @property
    def sender(self) -> bytes:
        """Give the sending end's address, as it stands on the wire."""
        return self._end(0)

    @property
    def receiver(self) -> bytes:
        """Give the receiving end's address, as it stands on the wire."""
        return self._end(1)

    def _end(self, number: int) -> bytes:
        size = 4 if len(self.side.key) == 12 else 16
        return self.side.key[number * size :][:size]


@runtime_checkable
class Helper(Protocol):
    """Say what a helper must offer.

    `name` is what rules and listings call it, `protocols` are the numbers of the control
    connection's protocol (TCP helpers see packets once a reply was seen), `families` the IP
    versions, `policies` its kinds of expectations.
    """

    name: str
    protocols: frozenset[int]
    families: frozenset[int]
    policies: Mapping[str, Policy]

    def begin(self) -> object:
        """Make what is remembered of one connection."""
        ...

    def read(self, message: Message) -> Outcome:
        """Read one packet: say what follows from it, or refuse it."""
        ...


@runtime_checkable
class WaryHelper(Helper, Protocol):
    """Say what a helper offers besides, if it can tell another protocol from its own.

    Whoever makes a browser talk to port 21 can have it say "PORT ..." in the midst of an upload,
    but not at the beginning: `HelperPolicy.needs_proper_start` makes use of that.
    """

    def suspects(self, message: Message) -> bool:
        """Say whether a payload shows that this connection speaks something else; asked first."""
        ...


@runtime_checkable
class EndingHelper(Helper, Protocol):
    """Say what a helper offers besides, if more than expectations goes with its connection."""

    def end(self, connection: Connection) -> Sequence[Statement]:
        """Say what follows from the removal of a control connection, which is still whole."""
        ...
