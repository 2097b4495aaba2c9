"""SCTP conversations to disagree about: the steps of an association in a likely order, and not.

A talk looks at the tags that the library expects, so that most packets carry the right one, and
the others the other side's, a stale one or none.
"""

from __future__ import annotations

import random

import builders
from kernel.talks import Ends, Packet, say
from statefulinspect import Tracker

OPENING = [(0, "INIT"), (1, "INIT_ACK"), (0, "COOKIE_ECHO"), (1, "COOKIE_ACK")]
HEARTBEATS = [(0, "HEARTBEAT"), (1, "HEARTBEAT_ACK")]
CLOSING = [(0, "SHUTDOWN"), (1, "SHUTDOWN_ACK"), (0, "SHUTDOWN_COMPLETE")]
CHUNKS = (
    ["INIT", "INIT_ACK", "COOKIE_ECHO", "COOKIE_ACK", "HEARTBEAT", "HEARTBEAT_ACK"] * 3
    + ["DATA", "SACK", "SHUTDOWN", "SHUTDOWN_ACK", "SHUTDOWN_COMPLETE"] * 2
    + ["ABORT", "ERROR"]
)
TAGS = [0, 4, 15, 16, 99]  # the few that the ends choose from


class SctpTalk:
    """Make the packets of one association."""

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        self.dice, self.ends = dice, ends
        script = dice.choice([OPENING, OPENING, OPENING, HEARTBEATS, OPENING[:2], []])
        self.script = [*script, *(CLOSING if dice.random() < 0.3 else [])]

    def next(self, tracker: Tracker) -> Packet:
        """Make the next packet."""
        dice = self.dice
        if self.script and dice.random() < 0.85:
            is_reply, names = self.script.pop(0)
        else:
            is_reply, names = dice.randrange(2), "+".join(self._bundle())
        told = "+".join(map(self._spoil, names.split("+"))) if names else ""
        words = {
            "chunks": told,
            "tag": self._tag(tracker, is_reply, names),
            "tail": bytes(dice.choice([0] * 20 + [1, 2, 3, 4])),
            "bad": dice.random() < 0.01,
        }
        ports = (80, self.ends.number) if is_reply else (self.ends.number, 80)
        wire = builders.sctp(words["chunks"], words["tag"], *ports, **self.ends.way(is_reply),
                             tail=words["tail"], bad=words["bad"])  # fmt: skip
        return say("sctp", wire, is_reply, **words)

    def _bundle(self) -> list[str]:
        count = self.dice.choice([1] * 8 + [2, 2, 3, 0])
        return [self.dice.choice(CHUNKS) for _ in range(count)]

    def _spoil(self, name: str) -> str:
        """Give an INIT its tag; seldom set the T bit, or a length that cannot be."""
        dice = self.dice
        told = f"{name}/{dice.choice(TAGS)}" if name in ("INIT", "INIT_ACK") else name
        if name in ("ABORT", "SHUTDOWN_COMPLETE") and dice.random() < 0.4:
            told += "!"
        return told + dice.choice([""] * 60 + ["#0", "#1", "#4", "#500"])

    def _tag(self, tracker: Tracker, is_reply: int, names: str) -> int:
        dice = self.dice
        if names.startswith("INIT") and not names.startswith("INIT_ACK") and dice.random() < 0.95:
            return 0
        connection = tracker.find(
            builders.sctp("DATA", 0, self.ends.number, 80, **self.ends.way(0))
        )
        if connection is None or dice.random() < 0.08:
            return dice.choice(TAGS)
        is_swapped = connection.original.source_port != self.ends.number
        return connection.memory.expected[is_reply ^ is_swapped ^ (dice.random() < 0.06)]
