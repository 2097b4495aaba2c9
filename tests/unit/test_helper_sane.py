"""SANE: the answer to a start tells the port; which answers are awaited, and which count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, TCP, packed, tcp
from statefulinspect import Tracker
from statefulinspect.helpers.model import Helper, Message, Policy
from statefulinspect.helpers.sane import SaneHelper
from statefulinspect.helpers.statements import NOTHING, Announce

START = bytes([0, 0, 0, 7]) + b"hand"
READ_PARAMETERS = bytes([0, 0, 0, 6]) + b"hand"


def control(client=CLIENT, server=SERVER):
    """A control connection, as a function that lets either side say something."""
    helper = SaneHelper()
    opened = tcp(1000, 6566, "SYN", source=client, destination=server)
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = helper.begin()
    sides = connection.original_side, connection.reply_side
    return lambda is_reply, payload: helper.read(Message(sides[is_reply], payload, 1, 0.0))


def started(**ends):
    say = control(**ends)
    assert say(0, START) == NOTHING
    return say


def answer(port, status=0, upper=0):
    return status.to_bytes(4, "big") + upper.to_bytes(2, "big") + port.to_bytes(2, "big")


def announced(port, client=CLIENT, server=SERVER):
    return (Announce(TCP, packed(server), port, source=packed(client)),)


def test_what_it_is():
    helper = SaneHelper()
    assert isinstance(helper, Helper)
    assert (helper.name, helper.protocols, helper.families) == ("sane", {6}, {4, 6})
    assert helper.policies == {"": Policy(1, 300.0)}


@pytest.mark.parametrize("port", [0, 80, 5000, 65535])
def test_the_answer_to_a_start_tells_the_port(port):
    assert started()(1, answer(port)) == announced(port)
    assert started()(1, answer(port) + b"byte order and name") == announced(port)


def test_ipv6():
    ends = {"client": CLIENT6, "server": SERVER6}
    assert started(**ends)(1, answer(5000)) == announced(5000, **ends)


def test_nobody_asked():
    assert control()(1, answer(5000)) == NOTHING


@pytest.mark.parametrize("call", [READ_PARAMETERS, bytes(8), b"\x00\x00\x07\x00hand", b"\x07" * 8])
def test_another_call_was_last(call):
    say = control()
    say(0, call)
    assert say(1, answer(5000)) == NOTHING
    say = started()
    say(0, call)
    assert say(1, answer(5000)) == NOTHING


@pytest.mark.parametrize("size", [1, 4, 7, 9, 16])
def test_the_clients_segments_of_another_size_change_nothing(size):
    say = control()
    say(0, (START * 2)[:size])
    assert say(1, answer(5000)) == NOTHING
    say = started()
    say(0, (READ_PARAMETERS * 2)[:size])
    assert say(1, answer(5000)) == announced(5000)


def test_one_answer_counts():
    say = started()
    say(1, answer(5000))
    assert say(1, answer(5000)) == NOTHING
    say(0, START)
    assert say(1, answer(5001)) == announced(5001)


@pytest.mark.parametrize(
    "wrong",
    [answer(5000, status=1), answer(5000, status=1 << 24), answer(5000, upper=1)]
    + [answer(5000)[:size] for size in (1, 4, 7)],
)
def test_a_refusal_or_half_an_answer_ends_the_waiting(wrong):
    say = started()
    assert say(1, wrong) == NOTHING
    assert say(1, answer(5000)) == NOTHING


def test_an_empty_segment_does_not():
    say = started()
    assert say(0, b"") == say(1, b"") == NOTHING
    assert say(1, answer(5000)) == announced(5000)


def test_the_server_cannot_ask_itself():
    say = control()
    assert say(1, START) == NOTHING
    assert say(1, answer(5000)) == NOTHING


PIECES = st.sampled_from([START, READ_PARAMETERS, answer(5000), b""]) | st.binary(max_size=12)


@given(st.lists(st.tuples(st.integers(0, 1), PIECES), max_size=20))
def test_any_bytes_give_an_outcome(segments):
    say = control()
    for is_reply, payload in segments:
        outcome = say(is_reply, payload)
        assert outcome in (NOTHING, announced(int.from_bytes(payload[6:8], "big")))
