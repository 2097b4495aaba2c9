"""What is kept of a connection of which only the SYN was seen: all that a flood of them leaves.

One object with one entry in the table, in the place of a `Connection` and two `Side`s. It stands in
line and is filed as they are, and expires like them. Who asks for the connection (its answer, its
SYN again, a listing, `Verdict.connection`) has it unfolded: made, and put in its place. Those that
keep connections know of it, so that those who judge packets need not.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Final, Protocol

import attrs

from statefulinspect.connection import NO_NUMBER, Connection, Verdict
from statefulinspect.flowkey import against
from statefulinspect.line import Link


class Maker(Protocol):
    """Say who makes the connection."""

    @property
    def detached(self) -> Maker:
        """Name who does when it is tracked no more."""
        ...

    def unfold(self, unreplied: Unreplied, reply_key: bytes) -> Connection:
        """Make the connection, and if it is tracked put it in the place of what was kept."""
        ...


@attrs.define(eq=False, weakref_slot=False, getstate_setstate=False)
class Unreplied(Link):
    """Hold what a SYN has told: the sender's `end`, `window`, `scale` and `flags` (see `Side`).

    `source` is where the connection comes from: who makes it, and then the connection itself.
    """

    next_seq: ClassVar[int] = NO_NUMBER  # for the hot path, which takes it for a side
    is_assured: ClassVar[bool] = False

    key: bytes
    source: Maker | Connection
    created_at: float
    expires_at: float
    octets: int
    end: int
    window: int
    scale: int
    flags: int
    filed_at: float = inf

    @property
    def is_tracked(self) -> bool:
        """Tell whether it is neither removed nor unfolded: it stands in line until then."""
        return self.older is not None

    @property
    def connection(self) -> Connection:
        """Give the connection that it stands for, unfolded when first asked for."""
        source = self.source
        return source if isinstance(source, Connection) else self.unfold(against(self.key))

    def unfold(self, reply_key: bytes) -> Connection:
        """Unfold it, which is not yet, given the key of its answer."""
        assert not isinstance(self.source, Connection), "it is unfolded once"
        self.source = connection = self.source.unfold(self, reply_key)
        return connection


HELD: Final[Any] = Verdict.connection  # the slot


class OpeningVerdict(Verdict):
    """Answer a SYN; its connection is unfolded when first asked for."""

    __slots__ = ()
    __qualname__ = "Verdict"  # as it is shown: nobody needs to tell it from another

    @property
    def connection(self) -> Connection | None:
        """Give the connection that the SYN has opened."""
        held: Connection | Unreplied | None = HELD.__get__(self)
        if isinstance(held, Unreplied):
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
