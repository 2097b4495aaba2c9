"""A tracker without the faster ways, and what is compared with it."""

from __future__ import annotations

import attrs

from statefulinspect import Tracker
from statefulinspect.decoding import decode
from statefulinspect.flowkey import TCP
from statefulinspect.machines.tcp_prediction import take_back
from statefulinspect.rehearsal import copied
from statefulinspect.rules.engine.index import Index
from statefulinspect.rules.engine.path import PATHS, refuse_hook
from statefulinspect.zones import Zone


class FullWay(Tracker):
    """A tracker that takes no abbreviation, and looks verdict maps up as maps."""

    def __init__(self, rules=None, config=None):
        super().__init__(rules, config)
        for program in self._judge.filter._programs.values():
            program._indexes = {family: Index(program.entries, family) for family in (4, 6)}

    def process(self, packet, now, zone=0, zone_direction=None, hook="forward", **context):
        now = self._turn(now)
        decoded = decode(packet, **context, zone=Zone.of(zone, zone_direction))
        decoded.hook = hook if hook in PATHS else refuse_hook(hook)
        self._now = now
        if decoded.fragment_at:
            return self._defragmenter.process(decoded, now)
        return self._classify(decoded, now)


def whole(connection):
    """A copy of a connection in which all is written down that the hot path leaves out."""
    twin = copied(connection.original_side).connection
    if connection.protocol == TCP:
        take_back(twin)
    return twin


def fields(record, without):
    return {
        field.name: getattr(record, field.name, "unset")
        for field in attrs.fields(type(record))
        if field.name not in without
    }


LINKS = {"connection", "other", "verdict", "terms", "next_seq", "seen_window"}
LINKS |= {"original_side", "reply_side", "machine", "filed_at", "older", "newer"}


def known_of(connection):
    """Everything that is known of a connection, but what only the faster ways keep."""
    parts = connection, connection.original_side, connection.reply_side
    return [fields(each, LINKS) for each in parts]


def snapshot(tracker):
    """The same of all that a tracker has."""
    return [known_of(whole(connection)) for connection in tracker]
