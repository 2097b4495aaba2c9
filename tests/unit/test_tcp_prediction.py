"""Which connections the hot path is given, and what it leaves for `take_back` to write down."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, tcp
from statefulinspect import Tracker
from statefulinspect.connection import NO_NUMBER
from statefulinspect.machines.side_flags import HIGHEST_ACK_KNOWN, UNACKNOWLEDGED
from statefulinspect.machines.tcp_prediction import QUARTER, arm, take_back
from statefulinspect.machines.tcp_table import FIN, FIN_WAIT
from statefulinspect.machines.tcp_window import LEAST_ACK_SPAN

SERVER_TO_CLIENT = {"source": SERVER, "destination": CLIENT, "sport": 80, "dport": 1000}


class Talk:
    """Two ends that have shaken hands; numbers begin at 0 and 5000."""

    def __init__(self):
        self.tracker, self.now = Tracker(), 0.0
        self.client(flags="SYN", seq=0)
        self.server(flags="SYN,ACK", seq=5000, ack=1)
        self.client(flags="ACK", seq=1, ack=5001)
        self.connection = self.tracker.find(tcp())
        self.original, self.reply = self.connection.original_side, self.connection.reply_side

    def client(self, **segment):
        self._send(tcp(**segment))

    def server(self, **segment):
        self._send(tcp(**segment, **SERVER_TO_CLIENT))

    def _send(self, packet):
        self.now += 0.01
        self.tracker.process(packet, self.now)

    @property
    def armed(self):
        return self.original.next_seq, self.reply.next_seq

    @property
    def last(self):
        it = self.connection
        return it.last_is_reply, it.last_seq, it.last_ack, it.last_end, it.last_window


@pytest.fixture
def talk():
    return Talk()


def test_a_settled_connection_is_given_to_the_hot_path(talk):
    assert talk.armed == (1, 5001)


def changed(side, **numbers):
    return lambda talk: [setattr(getattr(talk, side), name, n) for name, n in numbers.items()]


@pytest.mark.parametrize(
    "unsettle",
    [
        changed("connection", state=FIN_WAIT),
        changed("connection", last_event=FIN),
        changed("connection", is_assured=False),
        changed("connection", repeats=1),
        changed("original", max_window=0),
        changed("original", max_window=QUARTER),
        changed("reply", max_window=0),
        changed("reply", max_window=QUARTER),
        changed("original", max_end=0),
        changed("original", max_end=1 + QUARTER + 1),
        changed("reply", max_end=5000),
        changed("reply", max_end=5001 + QUARTER + 1),
        changed("original", flags=0),
        changed("reply", highest_ack=2),
        changed("reply", highest_ack=0),
        changed("original", flags=HIGHEST_ACK_KNOWN | UNACKNOWLEDGED),
        changed("reply", end=5002, max_end=5001 + QUARTER),
        changed("connection", last_seq=1, last_end=2),
        changed("connection", last_seq=1, last_ack=5000),
        changed("connection", helper="ftp"),
        changed("connection", is_screened=True),
    ],
)
def test_what_is_not_settled_is_not(talk, unsettle):
    take_back(talk.connection)
    unsettle(talk)
    arm(talk.connection)
    assert talk.armed == (NO_NUMBER, NO_NUMBER)


@pytest.mark.parametrize("window", [1, LEAST_ACK_SPAN + 1, QUARTER - 1])
@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("sent", [0, 10])
def test_what_may_be_sent_reaches_no_farther_than_an_acknowledgement_may_back(
    talk, window, beyond, sent
):
    take_back(talk.connection)
    talk.original.max_window = window
    talk.reply.end += sent
    talk.reply.flags |= UNACKNOWLEDGED if sent else 0
    talk.reply.max_end = talk.original.highest_ack + max(window, LEAST_ACK_SPAN) + beyond
    arm(talk.connection)
    assert (talk.armed == (NO_NUMBER, NO_NUMBER)) == bool(beyond)


def test_what_is_acknowledged_must_have_been_sent(talk):
    take_back(talk.connection)
    talk.original.highest_ack = 5002
    talk.reply.flags |= UNACKNOWLEDGED
    arm(talk.connection)
    assert talk.armed == (NO_NUMBER, NO_NUMBER)


def test_a_side_without_a_ready_verdict_has_no_next_segment(talk):
    take_back(talk.connection)
    talk.reply.verdict = None
    arm(talk.connection)
    assert talk.armed == (1, NO_NUMBER)


def test_what_the_hot_path_leaves_out_is_written_down(talk):
    talk.server(flags="ACK", seq=5001, ack=1, data=bytes(100), window=700)
    assert talk.armed == (1, 5101)
    take_back(talk.connection)
    assert talk.armed == (NO_NUMBER, NO_NUMBER)
    assert talk.last == (1, 5001, 1, 5101, 700)
    assert talk.reply.flags & UNACKNOWLEDGED
    assert not talk.original.flags & UNACKNOWLEDGED


def test_what_was_acknowledged_does_not_wait(talk):
    talk.server(flags="ACK", seq=5001, ack=1, data=bytes(100))
    talk.client(flags="ACK", seq=1, ack=5101, window=900)
    take_back(talk.connection)
    assert talk.last == (0, 1, 5101, 1, 900)
    assert not talk.reply.flags & UNACKNOWLEDGED


def test_it_is_written_down_for_those_who_keep_a_connection_that_is_removed(talk):
    talk.server(flags="ACK", seq=5001, ack=1, data=bytes(100), window=700)
    talk.tracker.flush()
    assert talk.last == (1, 5001, 1, 5101, 700)
    assert talk.reply.flags & UNACKNOWLEDGED


def test_if_the_hot_path_has_taken_nothing_nothing_is_written(talk):
    before = talk.last
    take_back(talk.connection)
    assert talk.last == before


def test_the_last_segment_again_is_counted_though_the_hot_path_took_the_first(talk):
    for _ in range(3):
        talk.server(flags="ACK", seq=5001, ack=1, data=bytes(100))
    assert talk.connection.repeats == 2


def test_the_last_acknowledgement_again_is_counted_too(talk):
    talk.server(flags="ACK", seq=5001, ack=1, data=bytes(100))
    for _ in range(3):
        talk.client(flags="ACK", seq=1, ack=5101)
    assert talk.connection.repeats == 2
