"""What is kept of a connection of which only the SYN was seen: all that a flood of them leaves.

One object with one entry in the table, in the place of a `Connection` and two `Side`s. It stands in
line and is filed as they are, and expires like them. Who finds it otherwise (its answer, its SYN
again, a listing, `Verdict.connection`) unfolds it into the connection that it stands for; so nobody
else needs to know of it.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Final, Protocol

import attrs

from statefulinspect.connection import NEVER, Connection, Verdict
from statefulinspect.flowkey import TCP, reverse
from statefulinspect.line import Link


class Opener(Protocol):
    """Say who unfolds what is unreplied."""

    def unfold(self, unreplied: Unreplied, against: bytes) -> Connection:
        """Put the connection in its place; make it only, if it is tracked no more."""
        ...


@attrs.define(eq=False, weakref_slot=False)
class Unreplied(Link):
    """Hold what a SYN has told: the sender's `end`, `window`, `scale` and `flags` (see `Side`)."""

    next_seq: ClassVar[int] = NEVER  # for the hot path, which takes it for a side
    is_assured: ClassVar[bool] = False

    key: bytes
    opener: Opener
    created_at: float
    expires_at: float
    octets: int
    end: int
    window: int
    scale: int
    flags: int
    filed_at: float = inf
    _unfolded: Connection | None = None

    @property
    def is_tracked(self) -> bool:
        """Tell whether it is neither removed nor unfolded: it stands in line until then."""
        return self.older is not None

    @property
    def connection(self) -> Connection:
        """Give the connection that it stands for, unfolded when first asked for."""
        if self._unfolded is None:
            self.unfold(reverse(TCP, self.key) or b"")
        return self._unfolded  # type: ignore[return-value]  # by now there is one

    def unfold(self, against: bytes) -> Connection:
        """Unfold it, which is not yet, given the key of its answer."""
        self._unfolded = connection = self.opener.unfold(self, against)
        return connection


HELD: Final[Any] = Verdict.connection  # the slot


class OpeningVerdict(Verdict):
    """Answer a SYN; its connection is unfolded when first asked for."""

    __slots__ = ()

    @property
    def connection(self) -> Connection | None:
        """Give the connection that the SYN has opened."""
        held = HELD.__get__(self)
        return held.connection if held.__class__ is Unreplied else held

    @connection.setter
    def connection(self, held: Connection | None) -> None:
        HELD.__set__(self, held)  # `attrs.evolve` writes so; whoever writes else is refused
