"""Amanda: which answers offer streams, on which ports, and that each keeps the connection alive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, TCP, packed, udp
from statefulinspect import Tracker
from statefulinspect.helpers.amanda import AmandaHelper
from statefulinspect.helpers.model import Helper, Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, AnnounceEach, Renew

HELPER = AmandaHelper()


def say(is_reply, payload, client=CLIENT, server=SERVER):
    """Let either side of a fresh control connection say something."""
    opened = udp(1000, 10080, source=client, destination=server)
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = HELPER.begin()
    side = connection.reply_side if is_reply else connection.original_side
    return HELPER.read(Message(side, payload, 0, 0.0))


def ports(payload):
    """What an answer offers: the ports, all else being as it must."""
    renewal, streams = say(1, payload)
    assert renewal == Renew(300.0)
    for each in streams.each:
        port = each.destination_port
        assert each == Announce(TCP, packed(SERVER), port, source=packed(CLIENT))
    return [each.destination_port for each in streams.each]


def test_what_it_is():
    assert isinstance(HELPER, Helper)
    assert (HELPER.name, HELPER.protocols, HELPER.families) == ("amanda", {17}, {4, 6})
    assert HELPER.policies == {"": Policy(4, 180.0)}


def test_an_answer_offers_streams():
    assert ports(b"CONNECT DATA 5001 MESG 5002 INDEX 5003\n") == [5001, 5002, 5003]
    assert ports(b"CONNECT DATA 5001 MESG 5002 INDEX 5003 STATE 5004\n") == [5001, 5002, 5003, 5004]
    assert ports(b"Amanda 2.6 REP\nCONNECT INDEX 7\nOPTIONS ;\n") == [7]


def test_ipv6():
    renewal, streams = say(1, b"CONNECT DATA 5001\n", CLIENT6, SERVER6)
    assert renewal == Renew(300.0)
    (one,) = streams.each
    assert one == Announce(TCP, packed(SERVER6), 5001, source=packed(CLIENT6))


def test_who_asks_is_not_read():
    assert say(0, b"CONNECT DATA 5001 MESG 5002 INDEX 5003\n") == NOTHING


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(1000)])
def test_every_answer_keeps_the_connection_alive(payload):
    assert say(1, payload) == (Renew(300.0), AnnounceEach(()))


@pytest.mark.parametrize(
    "payload",
    [
        b"CONNECT DATA 5001",
        b"CONNECT ",
        b"CONNECT\nDATA 5001\n",
        b"CONNECT \nDATA 5001\n",
        b"CONNECTDATA 5001\n",
        b"connect DATA 5001\n",
        b"CONNECT data 5001\n",
        b"CONNECT DATA5001\n",
        b"DATA 5001\n",
        b"DATA 5001 CONNECT \n",
    ],
)
def test_these_offer_nothing(payload):
    assert ports(payload) == []


@pytest.mark.parametrize(
    ("payload", "offered"),
    [
        (b"CONNECT INDEX 3 MESG 2 DATA 1\n", [1, 2, 3]),
        (b"CONNECT STATE 4 DATA 1\n", [1, 4]),
        (b"XCONNECT XDATA 1 XMESG 2\n", [1, 2]),
        (b"CONNECT DATA 1 DATA 2 MESG 3 MESG 4\n", [1, 3]),
        (b"CONNECT DATA 1\nCONNECT MESG 2\n", [1]),
        (b"DATA 1 CONNECT MESG 2 CONNECT INDEX 3\n", [2, 3]),
        (b"CONNECT DATA 1Z MESG 2\x00\n", [1, 2]),
        (b"CONNECT DATA 1 MESG 1\n", [1, 1]),
    ],
)
def test_the_words_may_stand_anywhere_in_the_line_and_count_once(payload, offered):
    assert ports(payload) == offered


@pytest.mark.parametrize(
    ("digits", "port"),
    [
        (b"1", 1),
        (b"65535", 65535),
        (b"65537", 1),
        (b"99999", 34463),
        (b"123456", 12345),
        (b"00001", 1),
    ],
)
def test_ports_have_five_digits_and_sixteen_bits(digits, port):
    assert ports(b"CONNECT DATA " + digits + b" MESG 7\n") == [port, 7]


@pytest.mark.parametrize("digits", [b"0", b"65536", b"000001", b"", b"x", b"+1", b"-1", b" 1"])
def test_a_port_of_0_ends_the_search(digits):
    assert ports(b"CONNECT DATA 1 MESG " + digits + b" INDEX 3 STATE 4\n") == [1]
    assert ports(b"CONNECT MESG 1 DATA " + digits + b"\n") == []


WORDS = [b"CONNECT ", b"DATA ", b"MESG ", b"INDEX ", b"STATE ", b"\n", b" ", b"0", b"70000"]


@given(st.integers(0, 1), st.lists(st.sampled_from(WORDS) | st.binary(max_size=8), max_size=12))
def test_any_bytes_give_an_outcome(is_reply, pieces):
    outcome = say(is_reply, b"".join(pieces))
    if not is_reply:
        assert outcome == NOTHING
    else:
        assert all(1 <= port <= 65535 for port in ports(b"".join(pieces)))
        assert len(outcome[1].each) <= 4
