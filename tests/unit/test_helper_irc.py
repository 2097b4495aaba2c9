"""IRC: which lines offer a direct connection, and which are nearly such lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, SERVER, TCP, packed, tcp
from statefulinspect import Tracker
from statefulinspect.helpers.irc import IrcHelper
from statefulinspect.helpers.model import Helper, Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce

HELPER = IrcHelper()
OWN = str(int.from_bytes(packed(CLIENT), "big"))  # 10.0.1.2 as one number of nine digits
OFFER = f"PRIVMSG bob :\1DCC SEND photo.jpg {OWN} 5000 99\1\r\n"
SAID_BEFORE = "PRIVMSG bob :\1DCC "


def say(text, is_reply=0, client=CLIENT):
    """Let either side of a fresh control connection say something."""
    opened = tcp(1000, 6667, "SYN", source=client, destination=SERVER)
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = HELPER.begin()
    side = connection.reply_side if is_reply else connection.original_side
    payload = text.encode("latin-1") if isinstance(text, str) else text
    return HELPER.read(Message(side, payload, 1, 0.0))


def announced(port, client=CLIENT):
    return (Announce(TCP, packed(client), port),)


def test_what_it_is():
    assert isinstance(HELPER, Helper)
    assert (HELPER.name, HELPER.protocols, HELPER.families) == ("irc", {6}, {4})
    assert HELPER.policies == {"": Policy(8, 300.0)}


def test_a_client_offers_a_direct_connection():
    assert say(OFFER) == announced(5000)
    assert say(OFFER, is_reply=1) == NOTHING


@pytest.mark.parametrize("word", ["SEND", "CHAT", "MOVE", "TSEND", "SCHAT"])
def test_five_words_offer(word):
    assert say(OFFER.replace("SEND", word)) == announced(5000)


@pytest.mark.parametrize("word", ["RESUME", "ACCEPT", "send", "SENDX", "XSEND", "SEND\t", ""])
def test_others_do_not(word):
    assert say(OFFER.replace("SEND", word)) == NOTHING


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("PRIVMSG", "privmsg"),
        ("PRIVMSG", "PrivMsg"),
        ("PRIVMSG", " \r\n PRIVMSG"),
        ("bob", ""),
        ("bob", "#a,b c"),
        ("bob", "bob\n"),
        ("photo.jpg", ""),
        ("photo.jpg", "a\nb\0c"),
        (" 5000", "    5000"),
        (" 99\1\r", ""),
        ("\1\r\n", "\n99"),
        (OWN, f"00{OWN}"),
        (OWN, str(int(OWN) + (1 << 32))),
        (OWN, str(int(OWN) + (1 << 64))),
    ],
)
def test_these_are_offers_too(was, becomes):
    assert was in OFFER
    assert say(OFFER.replace(was, becomes)) == announced(5000)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("PRIVMSG", "NOTICE"),
        ("PRIVMSG", ":a!b@c PRIVMSG"),
        ("PRIVMSG", "\tPRIVMSG"),
        ("PRIVMSG", "ZPRIVMSG"),
        ("PRIVMSG ", "PRIVMSG\t"),
        ("PRIVMSG bob", "PRIVMSG"),
        ("bob :", "bob:"),
        ("bob :", "bob : "),
        ("bob :", "bob :hello :"),
        ("\1DCC", "DCC"),
        ("\1DCC", "\1dcc"),
        ("\1DCC ", "\1DCC\t"),
        ("photo.jpg", "a b"),
        ("photo.jpg ", "photo.jpg  "),
        ("photo.jpg ", "photo.jpg\t"),
        (OWN, "0x0a000102"),
        (OWN, f"+{OWN}"),
        (OWN, f"-{OWN}"),
        (OWN, f"{OWN}x"),
        (OWN, "10.0.1.2"),
        (OWN, str(int(OWN) + 1)),
        (OWN, str(int.from_bytes(packed(SERVER), "big"))),
        (OWN, ""),
        (f"{OWN} ", OWN),
        (f"{OWN} ", f"{OWN}\t"),
        (f"{OWN} ", f"{OWN}\n"),
        ("\n", ""),
    ],
)
def test_these_are_not(was, becomes):
    assert was in OFFER
    assert say(OFFER.replace(was, becomes)) == NOTHING


def test_the_newline_must_follow_the_files_name():
    assert say(f"PRIVMSG bob :\1DCC SEND a\nb {OWN} 5000 99") == NOTHING
    assert say("PRIVMSG bob :\1DCC SEND photo.jpg_and_no_blank\n") == NOTHING


@pytest.mark.parametrize(
    ("digits", "port"),
    [("1", 1), ("65535", 65535), ("65537", 1), ("70000", 4464), ("00080", 80), ("5Z", 5)],
)
def test_ports_have_sixteen_bits(digits, port):
    assert say(OFFER.replace("5000", digits)) == announced(port)


@pytest.mark.parametrize("digits", ["0", "65536", "x", "+5", "-5", "0x10", "\n5"])
def test_a_port_of_0_is_no_offer(digits):
    assert say(OFFER.replace("5000", digits)) == NOTHING


class TestSeveral:
    OFFER_6000 = f" :\1DCC CHAT chat {OWN} 6000\1\r\n"

    def test_the_first_offer_counts(self):
        assert say(OFFER + self.OFFER_6000) == announced(5000)
        assert say(OFFER.replace(OWN, "1") + self.OFFER_6000) == NOTHING
        assert say(OFFER.replace("5000", "0") + self.OFFER_6000) == NOTHING
        assert say(f"{SAID_BEFORE}SEND" + self.OFFER_6000) == NOTHING

    def test_other_words_are_passed_over(self):
        resume = f"{SAID_BEFORE}RESUME photo.jpg 5000 99\1\r\n"
        assert say(resume + OFFER) == announced(5000)
        assert say(resume * 3 + OFFER) == announced(5000)
        assert say(f"{SAID_BEFORE}SEN" + self.OFFER_6000) == announced(6000)

    def test_other_text_ends_the_search(self):
        assert say("PRIVMSG bob :hello\r\n" + OFFER) == NOTHING
        assert say(f"{SAID_BEFORE}RESUME x\r\nPRIVMSG bob :hello\r\n" + OFFER) == NOTHING

    def test_a_mark_needs_a_blank_of_its_own(self):
        assert say("PRIVMSG bob :\1DCC" + self.OFFER_6000) == NOTHING
        assert say("PRIVMSG bob :\1DCC " + self.OFFER_6000[1:]) == NOTHING
        assert say("PRIVMSG bob :\1DCC " + self.OFFER_6000) == announced(6000)


def test_the_shortest_offer_has_27_octets_from_the_mark_on():
    shortest = f"PRIVMSG b :\1DCC CHAT c {OWN} 5\n"
    assert len(shortest.partition(" :")[2]) + 2 == 26
    assert say(shortest) == NOTHING
    assert say(shortest + "x") == announced(5)
    assert say(shortest.replace("c 1", "ch 1")) == announced(5)
    assert say(f"{SAID_BEFORE}RESUME x{shortest[9:]}") == NOTHING
    assert say(f"{SAID_BEFORE}RESUME x{shortest[9:]}x") == announced(5)


def test_4095_octets_are_read():
    name = "x" * (4095 - len(OFFER) + len("photo.jpg"))
    assert say(OFFER.replace("photo.jpg", name)) == announced(5000)
    assert say(OFFER.replace("photo.jpg", name + "x")) == NOTHING
    assert say(OFFER + "x" * 5000) == announced(5000)
    assert say(" " * 4096 + OFFER) == NOTHING


def test_another_client():
    offer = OFFER.replace(OWN, "16777217")
    assert say(offer, client="1.0.0.1") == announced(5000, client="1.0.0.1")


PIECES = [b"PRIVMSG ", b" :", b"\1DCC ", b"SEND ", b"CHAT f ", OWN.encode(), b" ", b"5000", b"\n"]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=16), st.booleans())
def test_any_bytes_give_an_outcome(pieces, begins_well):
    text = (b"PRIVMSG b :\1DCC SEND " if begins_well else b"") + b"".join(pieces)
    outcome = say(text)
    assert outcome == NOTHING or 1 <= outcome[0].destination_port <= 65535


@pytest.mark.parametrize("words", [b"NICK me\r\n", b"cap LS\r\n", b"PASS x", b"USER a b c :d"])
def test_clients_register_before_anything_else(words):
    opened = tcp(1000, 6667, "SYN")
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = HELPER.begin()
    original, reply = connection.original_side, connection.reply_side
    assert not HELPER.suspects(Message(reply, b"anything", 0, 0.0))
    assert HELPER.suspects(Message(original, b"POST / HTTP/1.1\r\n", 0, 0.0))
    assert not HELPER.suspects(Message(original, words, 0, 0.0))
    assert not HELPER.suspects(Message(original, b"anything", 0, 0.0))
