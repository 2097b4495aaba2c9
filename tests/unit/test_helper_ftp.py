"""FTP: which lines announce a transfer, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, packed, tcp
from statefulinspect import Reason, Tracker
from statefulinspect.helpers.ftp import FIRST_WORDS, FtpHelper
from statefulinspect.helpers.model import Message
from statefulinspect.helpers.statements import NOTHING, Announce, Refuse

PARTIAL, MALFORMED = Refuse(Reason.HELPER_PARTIAL), Refuse(Reason.HELPER_MALFORMED)


def control(client=CLIENT, server=SERVER, **given):
    """A control connection, its helper, and a function that lets either side say something."""
    helper = FtpHelper(**given)
    opened = tcp(1000, 21, "SYN", source=client, destination=server)
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = helper.begin()
    sides = connection.original_side, connection.reply_side
    numbers = [1, 1]

    def say(is_reply, payload, seq=None):
        at = numbers[is_reply] if seq is None else seq
        numbers[is_reply] = (at + len(payload)) % (1 << 32)
        return helper.read(Message(sides[is_reply], payload, at, 0.0))

    say.numbers = numbers
    return say


def greeted(**given):
    say = control(**given)
    assert say(1, b"220 hello\r\n") == say(0, b"USER a\r\n") == NOTHING
    return say


def announced(port, *, is_reply=0, client=CLIENT, server=SERVER):
    ends = (client, server) if not is_reply else (server, client)
    return (Announce(6, packed(ends[0]), port, source=packed(ends[1])),)


OWN, HIS = "10,0,1,2", "10,0,2,2"


@pytest.mark.parametrize(
    ("line", "port"),
    [
        (f"PORT {OWN},4,1\r\n", 1025),
        (f"port {OWN},4,1\r\n", 1025),
        (f"PORTX {OWN},4,1\r\n", 1025),
        (f"PORT {OWN},4,1\rLIST\r\n", 1025),
        (f"PORT {OWN},256,1\r\n", 1),
        (f"PORT {OWN},4,300\r\n", 1324),
        ("PORT 10,0,0,258,4,1\r\n", 1025),
        (f"PORT {OWN},0,0\r\n", 0),
        (f"PORT {OWN},,21\r\n", 21),
        ("PORT 4294967306,0,1,2,4,1\r\n", 1025),
        ("EPRT |1|10.0.1.2|1025|\r\n", 1025),
        ("eprt !1!10.0.1.2!65537!\r\n", 1),
        ("EPRT |1|10.0.0.258|1025|\r\n", 1025),
    ],
)
def test_the_client_tells_where_it_listens(line, port):
    assert greeted()(0, line.encode()) == announced(port)


@pytest.mark.parametrize(
    ("line", "port"),
    [
        (f"227 Entering ({HIS},4,1)\r\n", 1025),
        (f"227 {HIS},4,1\r\n", 1025),
        (f"227 ={HIS},4,1.\r\n", 1025),
        ("229 Entering (|||1025|)\r\n", 1025),
        ("229 (!!!1025!\r\n", 1025),
    ],
)
def test_the_server_tells_where_it_listens(line, port):
    assert greeted()(1, line.encode()) == announced(port, is_reply=1)


@pytest.mark.parametrize("word", ["P", "PO", "PORT", "EPR", "EPRT"])
def test_a_word_that_breaks_off_is_refused(word):
    assert greeted()(0, word.encode()) == PARTIAL


@pytest.mark.parametrize("word", ["2", "22", "227", "227 ", "229 "])
def test_an_answer_that_breaks_off_is_refused(word):
    assert greeted()(1, word.encode()) == PARTIAL


@pytest.mark.parametrize(
    "line",
    [
        f"PORT {OWN},4,1\n",
        f"PORT  {OWN},4,1\r\n",
        f"PORT\t{OWN},4,1\r\n",
        f"PORT {OWN},4\r\n",
        f"PORT {OWN},4,1,1\r\n",
        f"PORT {OWN},4,1 \r\n",
        f"PORT {OWN},4,1",
        "EPRT |1|10.0.1.2|0|\r\n",
        "EPRT |1|10.0.1.2|1025\r\n",
        "EPRT |2|10.0.1.2|1025|\r\n",
        "EPRT |1|10.0.1|1025|\r\n",
        "EPRT |1|10.0.1,2|1025|\r\n",
        "EPRT 1110.0.1.2|1025|\r\n",
        "EPRT |1|10.0.1.2|10x|\r\n",
        "EPRT |1|10.0.1.2||\r\n",
        "EPRT |1\r\n",
        "EPRT\r\n",
    ],
)
def test_a_command_that_cannot_be_read_is_refused(line):
    assert greeted()(0, line.encode()) == MALFORMED


@pytest.mark.parametrize(
    "line",
    [
        f"227 Mode 2 ({HIS},4,1)\r\n",
        f"227 {HIS},4,1",
        f"227 {HIS},4,1,",
        "227 none\r\n",
        "229 |||1025|\r\n",
        "229 (|1|10.0.2.2|1025|)\r\n",
        "229 (|||1025)\r\n",
        "229 (|||0|)\r\n",
        "229 (||\r\n",
    ],
)
def test_an_answer_that_cannot_be_read_is_refused(line):
    assert greeted()(1, line.encode()) == MALFORMED


@pytest.mark.parametrize(
    "line", ["PORT 10,0,9,9,4,1\r\n", "EPRT |1|10.0.9.9|1025|\r\n", "NOOP\r\n", "227-x\r\n"]
)
def test_another_hosts_address_is_no_announcement(line):
    assert greeted()(0, line.encode()) == NOTHING


def test_unless_the_helper_is_loose():
    other = Announce(6, packed("10.0.9.9"), 1025, source=packed(SERVER))
    assert greeted(loose=True)(0, b"PORT 10,0,9,9,4,1\r\n") == (other,)


def test_ipv6():
    ends = {"client": CLIENT6, "server": SERVER6}
    own = f"EPRT |2|{CLIENT6}|1025|\r\n".encode()
    assert greeted(**ends)(0, own) == announced(1025, **ends)
    assert greeted(**ends)(1, b"229 (|||1025|)\r\n") == announced(1025, is_reply=1, **ends)
    assert greeted(**ends)(0, b"PORT 10,0,1,2,4,1\r\n") == NOTHING
    for wrong in (b"|1|10.0.1.2|1025|", b"|2|fd00:1::g|1025|", b"|2|fe80::1%1|1025|"):
        assert greeted(**ends)(0, b"EPRT " + wrong + b"\r\n") == MALFORMED
    assert greeted(**ends)(0, b"EPRT |2|" + b"0" * 46 + b"|1025|\r\n") == MALFORMED


PORT = f"PORT {OWN},4,1\r\n".encode()


def test_what_is_said_first_is_not_read():
    say = control()
    assert say(0, PORT) == NOTHING
    assert say(0, PORT) == announced(1025)


def test_a_command_must_begin_a_segment_behind_a_newline():
    say = greeted()
    assert say(0, b"NOOP\r\n" + PORT) == NOTHING
    assert say(0, b"half a line") == NOTHING
    assert say(0, PORT) == NOTHING


def test_a_refused_command_leaves_its_line_to_be_said_again():
    say = greeted()
    at = say.numbers[0]
    assert say(0, PORT[:-2] + b" \r\n") == MALFORMED
    assert say(0, PORT) == NOTHING
    assert say(0, PORT, seq=at) == announced(1025)


def test_two_line_ends_are_remembered_for_each_side():
    say = greeted()
    first = say.numbers[0]
    say(0, b"NOOP\r\n")
    second = say.numbers[0]
    assert say(0, PORT, seq=first) == say(0, PORT, seq=second) == announced(1025)
    say(0, b"NOOP\r\n", seq=second)
    assert say(0, PORT, seq=first) == NOTHING


def test_an_older_line_end_takes_no_place():
    say = greeted()
    late = say.numbers[0] + 100_000
    say(0, b"NOOP\r\n", seq=late)
    say(0, b"NOOP\r\n", seq=1)  # before both that are remembered
    assert say(0, PORT, seq=late + 6) == announced(1025)
    assert say(0, PORT, seq=7) == NOTHING


def test_nothing_said_is_nothing_read():
    assert greeted()(0, b"") == NOTHING


class TestReassembling:
    def test_a_command_in_pieces(self):
        say = greeted(reassembles=True)
        for piece in (b"PO", b"RT 10,0,1", b",2,4,"):
            assert say(0, piece) == NOTHING
        assert say(0, b"1\r\n") == announced(1025)
        assert say(0, PORT) == announced(1025)

    def test_a_piece_said_again(self):
        say = greeted(reassembles=True)
        at = say.numbers[0]
        say(0, b"PORT 10,0,")
        assert say(0, b"PORT 10,0,", seq=at) == NOTHING
        assert say(0, b"1,2,4,1\r\n") == announced(1025)

    def test_a_gap_ends_the_line(self):
        say = greeted(reassembles=True)
        say(0, b"PORT 10,0,")
        assert say(0, b"1,2,4,1\r\n", seq=say.numbers[0] + 1) == NOTHING

    def test_what_is_kept_is_bounded(self):
        say = greeted(reassembles=True)
        assert say(0, b"P" * 500) == NOTHING
        assert say(0, b"P" * 13) == NOTHING
        assert say(0, b"x\r\n") == NOTHING

    def test_a_malformed_line_is_still_refused(self):
        say = greeted(reassembles=True)
        say(0, b"PORT 10,")
        assert say(0, b"x\r\n") == MALFORMED


@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=40)), max_size=20), st.booleans())
def test_any_bytes_give_an_outcome(lines, reassembles):
    say = control(reassembles=reassembles)
    for is_reply, words in lines:
        for payload in (words, words + b"\n", b"PORT " + words, b"227 " + words, b"229 (" + words):
            outcome = say(is_reply, payload)
            assert isinstance(outcome, (tuple, Refuse))


class TestSuspicion:
    """What does not begin as FTP does."""

    @pytest.mark.parametrize("word", sorted(FIRST_WORDS))
    def test_the_server_greets_and_the_client_says_who_it_is(self, word):
        talk = Suspicious()
        assert not talk.says(1, b"220 hello\r\n")
        assert not talk.says(0, word.lower() + b" me\r\n")
        assert not talk.says(0, b"anything")
        assert not talk.says(1, b"anything")

    def test_the_client_speaks_first(self):
        assert Suspicious().says(0, b"USER me\r\n")

    @pytest.mark.parametrize("greeting", [b"hello", b"22", b"SSH-2.0", b"\x16\x03\x01"])
    def test_no_number_is_no_greeting(self, greeting):
        assert Suspicious().says(1, greeting)

    @pytest.mark.parametrize("words", [b"GET /", b"POST /", b"USE", b"U", b"DELETE /", b"PORT 1"])
    def test_the_client_begins_otherwise(self, words):
        talk = Suspicious()
        assert not talk.says(1, b"220 hello\r\n")
        assert talk.says(0, words)


class Suspicious:
    """A control connection as far as suspicion needs one."""

    def __init__(self):
        self.helper = FtpHelper()
        self.connection = Tracker().process(tcp(1000, 21, "SYN"), 0.0).connection
        self.connection.helper_memory = self.helper.begin()

    def says(self, is_reply, payload):
        sides = (self.connection.original_side, self.connection.reply_side)
        return self.helper.suspects(Message(sides[is_reply], payload, 1, 0.0))
