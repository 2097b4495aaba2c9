"""What would become of a packet: judged as ever, on copies, and told rule by rule.

The packet's connection is copied, and its machine steps on the copy; what the rules remember is put
back. Helpers do not read.
"""

from __future__ import annotations

from copy import copy, deepcopy
from functools import partial
from typing import Callable

import attrs

from statefulinspect.answers import Answers
from statefulinspect.connection import Connection, Side, Verdict
from statefulinspect.judge import Judge
from statefulinspect.packet import Packet
from statefulinspect.rules.engine.trace import Recorder, Trace
from statefulinspect.rules.engine.walk import Walk, walk_of
from statefulinspect.terms import ACCEPT, DROP, OK, Effect, Reason

Judging = Callable[[Packet, float], Verdict]
Collect = Callable[[Packet, float, Judging], Verdict]


class Rehearsal:
    """Judge packets without a trace left, but the one that is given back."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._answers = Answers(judge.filter)

    def trace(self, packet: Packet, now: float, collect: Collect) -> Trace:
        """Tell every rule that a packet would meet, and its verdict.

        `collect` tells what becomes of a fragment, given who judges what is whole.
        """
        recorder = Recorder()
        for each in self._judge.filter.ageing_sets:  # a look-up lets their elements begin to age
            recorder.touch(each)
        judged = partial(self._judged, recorder)
        try:
            is_part = bool(packet.fragment_at)
            verdict = collect(packet, now, judged) if is_part else judged(packet, now)
        finally:
            recorder.undo()
        return Trace(verdict, tuple(recorder.steps))

    def _judged(self, recorder: Recorder, packet: Packet, now: float) -> Verdict:
        judge = self._judge
        walk = walk_of(packet, now, judge.table.candidates)
        walk.saver = walk.listener = recorder
        reason = judge.validation.check(packet)
        if reason.effect is not Effect.DISCARD:
            verdict = self._answers.before_tracking(walk)
            if verdict is not None:
                return verdict
            reason = Reason.EXEMPT_BY_RULE if walk.is_exempt else reason
        if reason is Reason.ERROR_ABOUT_CONNECTION:
            return self._related(walk)
        if reason is not OK or packet.key is None:
            return self._answers.without_connection(walk, reason)
        return self._tracked(walk)

    def _related(self, walk: Walk) -> Verdict:
        side, reason = self._judge.lookup.quoted_side(walk.packet, walk.now)
        if side is None:
            return self._answers.without_connection(walk, reason)
        return self._answers.about(copied(side), walk, reason)

    def _tracked(self, walk: Walk) -> Verdict:
        packet, judge = walk.packet, self._judge
        key = judge.lookup.keys.complete(packet) or packet.key
        assert key is not None, "the packet has a key"
        reopened: set[Connection] = set()
        for found in judge.table.candidates(packet.zone, packet.protocol, key, walk.now):
            side = copied(found)
            reason = judge.step(side, packet, walk.now)
            if reason.effect is not Effect.REOPEN:
                return self._answer(side, walk, reason)
            reopened.add(found.connection)
        return self._admitted(walk, key, reopened)

    def _admitted(self, walk: Walk, key: bytes, reopened: set[Connection]) -> Verdict:
        """Judge a packet that would open a connection, in the place of some perhaps."""
        packet, now, judge = walk.packet, walk.now, self._judge
        connection = judge.connection_for(packet.protocol, key, packet.zone, now)
        expected = judge.expectations.find(packet.zone, connection.original, now)
        if expected is not None and expected.master not in reopened:
            judge.assistant.adopt(connection, expected)
        side = connection.original_side
        reason = connection.machine.open(side, packet, now)
        walk.is_fresh = reason.effect is not Effect.REFUSE
        verdict = self._answer(side, walk, reason)
        if verdict.action is not ACCEPT or not walk.is_fresh:
            return verdict
        reason = self._refusal(connection, reopened, now)
        return verdict if reason is OK else attrs.evolve(verdict, action=DROP, reason=reason)

    def _answer(self, side: Side, walk: Walk, reason: Reason) -> Verdict:
        if reason.effect is Effect.REFUSE:
            return self._answers.without_connection(walk, reason)
        side.verdict = None
        return self._answers.of(side, walk, reason)

    def _refusal(self, connection: Connection, reopened: set[Connection], now: float) -> Reason:
        """Say why a connection, in the place of some perhaps, would not be entered."""
        table, reply = self._judge.table, connection.reply_side.key
        zone = table.rival_zone(connection)
        rivals = () if zone is None else table.candidates(zone, connection.protocol, reply, now)
        if any(rival.connection not in reopened for rival in rivals):
            return Reason.REPLY_TAKEN
        opener = connection.zones.original, connection.original_side.key
        return OK if reopened else self._judge.capacity.refusal(*opener, now)


def copied(side: Side) -> Side:
    """Copy a connection with both its sides; give the same side of the copy."""
    connection = side.connection
    original, reply = copy(connection.original_side), copy(connection.reply_side)
    twin = Connection.__new__(Connection)
    twin.__setstate__(connection.__getstate__())
    twin.original_side, twin.reply_side = original, reply
    twin.rare = None if connection.rare is None else dict(connection.rare)
    twin.memory = deepcopy(connection.memory)
    original.connection = reply.connection = twin
    original.other, reply.other = reply, original
    return reply if side.is_reply else original
