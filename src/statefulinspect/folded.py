"""What is kept of a connection that nobody has needed whole: one object in the place of three.

`Unreplied` is one of which only the SYN was seen: all that a flood of them leaves. `Exchange` is a
question and its answer, or a few: more does not follow most often (DNS). They stand in line and are
filed as a `Connection` is, and expire like one. Who asks for the connection (any other of its
packets, a listing, `Verdict.connection`) has it unfolded: made, and put in its place. Those that
keep connections know of it, so that those who judge packets need not.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Final, Protocol

import attrs

from statefulinspect.connection import NO_NUMBER, Connection, Verdict
from statefulinspect.flowkey import TCP, against
from statefulinspect.line import Link

WANTED: Final = 64  # connections that are not folded after one was asked for


class Maker(Protocol):
    """Say who makes the connection; as many of the next ones as are `wanted` are not folded."""

    wanted: int

    @property
    def detached(self) -> Maker:
        """Name who does when it is tracked no more."""
        ...

    def unfold(self, folded: Any, reply_key: bytes) -> Connection:
        """Make the connection, and if it is tracked put it in the place of what was kept."""
        ...


@attrs.define(eq=False, weakref_slot=False, getstate_setstate=False)
class Folded(Link):
    """Hold what is known of a connection after its first packets, of so many `octets`.

    `source` is where the connection comes from: who makes it, and then the connection itself.
    """

    is_assured: ClassVar[bool] = False

    key: bytes
    source: Maker | Connection
    created_at: float
    expires_at: float
    octets: int
    filed_at: float = attrs.field(default=inf, kw_only=True)

    @property
    def reply_key(self) -> bytes:
        """Name the direction of the answer."""
        return against(self.key)

    @property
    def is_tracked(self) -> bool:
        """Tell whether it is neither removed nor unfolded: it stands in line until then."""
        return self.older is not None

    @property
    def holder(self) -> Folded | Connection:
        """Give who is tracked in its place: the connection, once it is unfolded."""
        return self.source if isinstance(self.source, Connection) else self

    @property
    def connection(self) -> Connection:
        """Give the connection that it stands for, unfolded when first asked for.

        Who asks for one most likely asks for the next ones too.
        """
        source = self.source
        if isinstance(source, Connection):
            return source
        source.wanted = WANTED
        return self.unfold(self.reply_key)

    def unfold(self, reply_key: bytes) -> Connection:
        """Unfold it, which is not yet, given the key of its answer."""
        assert not isinstance(self.source, Connection), "it is unfolded once"
        self.source = connection = self.source.unfold(self, reply_key)
        return connection


@attrs.define(eq=False, weakref_slot=False, getstate_setstate=False)
class Unreplied(Folded):
    """Hold what a SYN has told: the sender's `end`, `window`, `scale` and `flags` (see `Side`)."""

    protocol: ClassVar[int] = TCP
    packets: ClassVar[int] = 1
    next_seq: ClassVar[int] = NO_NUMBER  # for the hot path, which takes it for a side

    end: int
    window: int
    scale: int
    flags: int


@attrs.define(eq=False, weakref_slot=False, getstate_setstate=False)
class Exchange(Folded):
    """Hold how much two ends have said, of whom little was heard: questions and answers."""

    protocol: int
    reply_key: bytes
    packets: int = 1
    reply_packets: int = 0
    reply_octets: int = 0


HELD: Final[Any] = Verdict.connection  # the slot


class FoldedVerdict(Verdict):
    """Answer a packet whose connection is folded: it is unfolded when first asked for."""

    __slots__ = ()
    __qualname__ = "Verdict"  # as it is shown: nobody needs to tell it from another

    @property
    def connection(self) -> Connection | None:
        """Give the connection of the packet."""
        held: Connection | Folded | None = HELD.__get__(self)
        if isinstance(held, Folded):
            held = held.connection
            HELD.__set__(self, held)
        return held

    @connection.setter
    def connection(self, held: Connection | None) -> None:
        HELD.__set__(self, held)  # `attrs.evolve` writes so; whoever writes else is refused

    def __reduce__(self) -> tuple[type[Verdict], tuple[Any, ...]]:
        """Be copied and pickled as every other verdict, with its connection."""
        fields = [getattr(self, field.name) for field in attrs.fields(Verdict)]
        return Verdict, tuple(fields)
