"""Which entries of the table are folded connections, how they enter, and how they are unfolded.

Of one that only a SYN has opened there may be an `Unreplied` under the key of the SYN; then the key
against it is not entered, and looked up by reversing it. Of a question there may be an `Exchange`
under both keys.
"""

from __future__ import annotations

from typing import Union

from statefulinspect.connection import Connection, Side
from statefulinspect.flowkey import TCP, against
from statefulinspect.folded import Exchange, Folded, Unreplied

Sides = dict[bytes, Union[Side, Folded]]


class FoldedTable:
    """Hold folded connections, which are of no zone, among the sides of others."""

    __slots__ = ("_asked", "_folded", "_plain", "_unreplied", "count")

    def __init__(self) -> None:
        self._plain: dict[int, Sides] = {}  # by protocol
        self.count = self._folded = self._unreplied = 0
        self._asked = bytearray(256)  # by last octet of a port: 1 if an `Unreplied` ever went there

    def unfolded_side(self, key: bytes, found: Folded) -> Side:
        """Unfold what stands under a key, and give the side that the key leads to."""
        connection = found.unfold(found.reply_key)
        return connection.original_side if key == found.key else connection.reply_side

    def unreplied_side(self, key: bytes, found: Folded | None) -> Side | None:
        """Give the side of a TCP key in no zone that leads to what is unreplied, and unfold that.

        `found` is what stands under the key; if it is None, the key against it may lead there. Most
        openers of a flood come from no port that others go to: for them no key is reversed.
        """
        if found is not None:
            return self.unfolded_side(key, found)
        if not self._unreplied or not self._asked[key[-3]]:
            return None
        opened = self._plain[TCP].get(against(key))
        return opened.unfold(key).reply_side if isinstance(opened, Unreplied) else None

    def enter_unreplied(self, unreplied: Unreplied) -> None:
        """Enter what a SYN has opened; no key of either direction may be in the table."""
        key = unreplied.key
        self._plain[TCP][key] = unreplied
        self._asked[key[-1]] = 1
        self.count += 1
        self._folded += 1
        self._unreplied += 1

    def enter_exchange(self, exchange: Exchange) -> None:
        """Enter what a question has opened; neither key may be in the table."""
        sides = self._plain[exchange.protocol]
        sides[exchange.key] = sides[exchange.reply_key] = exchange
        self.count += 1
        self._folded += 1

    def replace(self, folded: Folded, connection: Connection) -> None:
        """Put the connection in the place of what was kept of it."""
        sides = self._plain[connection.protocol]
        sides[folded.key] = connection.original_side
        sides[connection.reply_side.key] = connection.reply_side
        self._folded -= 1
        self._unreplied -= isinstance(folded, Unreplied)

    def remove_folded(self, folded: Folded) -> None:
        """Take out what is kept; it lets go of the tracker, for a verdict may hold it."""
        if isinstance(folded, Exchange):
            sides = self._plain[folded.protocol]
            del sides[folded.key], sides[folded.reply_key]
        else:
            del self._plain[TCP][folded.key]
            self._unreplied -= 1
        folded.source = folded.source.detached  # type: ignore[union-attr]  # not unfolded yet
        self.count -= 1
        self._folded -= 1

    def _check_counts(self, folded: list[Folded]) -> None:
        """Assert that those which are folded are counted rightly."""
        unreplied = sum(isinstance(each, Unreplied) for each in folded)
        assert unreplied == self._unreplied, "what is unreplied is counted wrongly"
        assert len(folded) == self._folded, "what is folded is counted wrongly"

    def _check_folded(self, folded: Folded) -> int:
        """Assert that what is kept of a connection is found; count its entries."""
        assert folded.is_tracked, "it is unfolded, or removed"
        if isinstance(folded, Exchange):
            sides = self._plain[folded.protocol]
            assert sides[folded.key] is sides[folded.reply_key] is folded, "a key leads elsewhere"
            return 2
        assert self._plain[TCP][folded.key] is folded, "the key leads elsewhere"
        assert against(folded.key) not in self._plain[TCP], "what replies is known"
        assert self._asked[folded.key[-1]], "what replies is not looked for"
        return 1
