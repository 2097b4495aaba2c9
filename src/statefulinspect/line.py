"""Who is oldest: members in the order in which they came, any of whom may leave in one step.

A ring of links through the members themselves, in which the line is the place between the newest
and the oldest. A dict would keep the order too, but needs more memory, and takes longer and longer
to find its first key while the oldest leave one by one.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Generic, Iterator, TypeVar  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.portable import Portable


@attrs.define(eq=False, weakref_slot=False, getstate_setstate=False)
class Link(Portable):
    """Hold the neighbours of a member; None while it is in no line, as every copy is."""

    older: Any = attrs.field(default=None, kw_only=True, repr=False)
    newer: Any = attrs.field(default=None, kw_only=True, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Give what is set but for the neighbours, who would bring all others along."""
        return {**super().__getstate__(), "older": None, "newer": None}

    def __copy__(self) -> Any:
        """Copy the whole: what hangs on a member is the member's alone."""
        return deepcopy(self)


Member = TypeVar("Member", bound=Link)


class Line(Link, Generic[Member]):
    """Keep members in line; each may be in one line only."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.older = self.newer = self
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Member]:
        """Go from the oldest to the newest."""
        link = self.newer
        while link is not self:
            yield link
            link = link.newer

    @property
    def oldest(self) -> Member | None:
        """Give the member that has been in line for longest."""
        link: Member = self.newer
        return None if link is self else link

    def enter(self, member: Member) -> None:
        """Put a member at the end."""
        last = self.older
        member.older, member.newer = last, self
        last.newer = self.older = member
        self.count += 1

    def replace(self, member: Member, another: Member) -> None:
        """Put another in the place of a member."""
        another.older, another.newer = member.older, member.newer
        member.older.newer = member.newer.older = another
        member.older = member.newer = None

    def leave(self, member: Member) -> None:
        """Take a member out, wherever it stands in line."""
        older, newer = member.older, member.newer
        older.newer, newer.older = newer, older
        member.older = member.newer = None
        self.count -= 1

    def check(self) -> None:
        """Assert every invariant of the structure."""
        before: Link = self
        for member in self:
            assert member.older is before, "somebody in line has a wrong neighbour"
            before = member
        assert self.older is before, "the line ends with somebody else"
        assert sum(1 for _ in self) == self.count, "somebody in line is counted wrongly"
