"""Which verification tags an SCTP association's packets have to carry: its memory.

Both lists are indexed by direction, 0 for ORIGINAL. `expected[d]` is the tag of packets that go
in direction d, told by an INIT or INIT ACK that went the other way; 0 while unknown. `init_seen`
tells who sent an INIT since the last COOKIE ACK: both, if the ends opened at the same time (RFC
9260 5.2). `doubted` is the direction of a heartbeat whose tag was not the expected one.
"""

from __future__ import annotations

import attrs

from statefulinspect.terms import OK, Reason


@attrs.define(eq=False)
class Tags:
    """Hold the tags of one association."""

    expected: list[int] = attrs.field(factory=lambda: [0, 0])
    init_seen: list[bool] = attrs.field(factory=lambda: [False, False])
    doubted: int | None = None

    def take_init(self, is_reply: int, told: int) -> None:
        """Keep the tag that an INIT tells; if both had sent one, this begins again."""
        if all(self.init_seen):
            self.init_seen[1 - is_reply] = False
        self.init_seen[is_reply] = True
        self.expected[1 - is_reply] = told

    def take_init_ack(self, is_reply: int, told: int) -> Reason:
        """Keep the tag that an INIT ACK tells, or refuse it for contradicting what was told."""
        known = self.expected[1 - is_reply]
        is_asked_anew = self.init_seen[1 - is_reply] and not all(self.init_seen)
        is_free = is_asked_anew or (known == 0 and not all(self.init_seen))
        if told != known and not is_free:
            return Reason.INIT_ACK_TAG
        self.expected[1 - is_reply] = told
        return OK
