"""Every cell of the request-and-reply machine, and the timer that each state sets."""

from __future__ import annotations

import pytest

from builders import udp
from statefulinspect import Config, Direction, Reason, Tracker
from statefulinspect.decoding import decode
from statefulinspect.flowkey import UDP
from statefulinspect.fsm import cells_of
from statefulinspect.machines.request_reply import (
    EARLY,
    LATE,
    REPLIED,
    ROWS,
    STREAM,
    TRANSITIONS,
    UNREPLIED,
    PairEvent,
    PairState,
    RequestReply,
)
from statefulinspect.terms import ORIGINAL, REPLY
from statefulinspect.zones import NO_ZONE

GRID = {
    (ORIGINAL, UNREPLIED): (UNREPLIED, UNREPLIED),
    (ORIGINAL, REPLIED): (REPLIED, STREAM),
    (ORIGINAL, STREAM): (STREAM, STREAM),
    (REPLY, UNREPLIED): (REPLIED, REPLIED),
    (REPLY, REPLIED): (REPLIED, STREAM),
    (REPLY, STREAM): (STREAM, STREAM),
}
CELLS = [
    pytest.param(
        *cell, GRID[cell[:2]][cell[2]], id=f"{cell[1].name}-{cell[0].name}-{cell[2].name}: {why}"
    )
    for cell, why in ((cell, row.because) for cell, row in cells_of(ROWS).items())
]
QUESTION = udp()
ANSWER = udp(53, 1000, source="10.0.2.2", destination="10.0.1.2")


@pytest.mark.parametrize(("direction", "state", "event", "becomes"), CELLS)
def test_cell(direction, state, event, becomes):
    assert TRANSITIONS[direction is REPLY][state][event] is becomes


def test_every_cell_has_its_row():
    assert len(CELLS) == 2 * len(PairState) * len(PairEvent)


def test_events_are_early_then_late():
    assert (EARLY, LATE) == (0, 1)


def opened(timeouts=(10, 20, 30), settles_after=2.0):
    """A machine and the two sides of a connection that it opened at 100."""
    machine = RequestReply(timeouts, settles_after)
    packet = decode(QUESTION)
    connection = Tracker()._judge.connection_for(UDP, packet.key, NO_ZONE, 100.0)
    connection.machine = machine
    assert machine.open(connection.original_side, decode(QUESTION), 100.0) is Reason.OK
    return machine, connection


def test_opening_is_unreplied():
    machine, connection = opened()
    assert connection.state is UNREPLIED
    assert connection.expires_at == 110
    assert not connection.is_assured
    assert machine.names_states is False
    assert connection.state_name == ""


@pytest.mark.parametrize(
    ("script", "state", "expires_at"),
    [
        ("> 105", UNREPLIED, 115),
        ("< 101", REPLIED, 121),
        ("< 105", REPLIED, 125),
        ("< 101  > 102", REPLIED, 122),
        ("< 101  < 102", REPLIED, 122),
        ("< 101  > 102.001", STREAM, 132.001),
        ("< 101  < 103", STREAM, 133),
        ("< 101  < 103  > 104", STREAM, 134),
    ],
)
def test_each_packet_renews_the_timer_of_its_state(script, state, expires_at):
    machine, connection = opened()
    words = script.split()
    for arrow, at in zip(words[::2], map(float, words[1::2])):
        side = connection.original_side if arrow == ">" else connection.reply_side
        assert machine.step(side, decode(QUESTION), at) is Reason.OK
    assert connection.state is state
    assert connection.expires_at == expires_at
    assert connection.is_assured is (state is STREAM)


def test_no_stream_where_none_settles():
    machine, connection = opened(settles_after=float("inf"))
    for at in (101.0, 1e6, 1e12):
        machine.step(connection.reply_side, decode(ANSWER), at)
        machine.step(connection.original_side, decode(QUESTION), at)
        assert connection.state is REPLIED


def test_the_checks_are_those_given():
    machine = RequestReply((1, 1, 1), 2.0, lambda _: Reason.UDP_LENGTH)
    assert machine.validate(decode(QUESTION)) is Reason.UDP_LENGTH
    assert RequestReply((1, 1, 1), 2.0).validate(decode(b"")) is Reason.OK


@pytest.mark.parametrize(("config", "stream"), [(Config(), 40), (Config.linux(), 120)])
def test_a_udp_stream_lives_longer(config, stream):
    tracker = Tracker(config=config)
    tracker.process(QUESTION, 0.0)
    answered = tracker.process(ANSWER, 5.0).connection
    assert (answered.seconds_left(5.0), answered.is_assured) == (30, False)
    assert tracker.process(QUESTION, 5.0).direction is Direction.ORIGINAL
    assert (answered.seconds_left(5.0), answered.is_assured) == (stream, True)


def test_answers_share_a_verdict_from_the_second_on():
    """The first, which most often is the last, is not kept on the short way."""
    tracker, data = Tracker(), bytes(12)
    tracker.process(udp(data=data), 0.0)
    answer = udp(53, 1000, data, source="10.0.2.2", destination="10.0.1.2")
    first, second, third = (tracker.process(answer, 0.1) for _ in range(3))
    assert first is not second
    assert second is third
