"""Verification tags chunk by chunk, what opens, what is remembered, and the timer of each state."""

from __future__ import annotations

import pytest

from builders import CHUNKS, SCTP, sctp
from statefulinspect import Config, Reason, Timeouts
from statefulinspect.decoding import decode
from statefulinspect.flowkey import reverse
from statefulinspect.linking import connect
from statefulinspect.machines.sctp import SctpMachine
from statefulinspect.machines.sctp_table import SctpState
from statefulinspect.machines.sctp_tags import Tags
from statefulinspect.terms import Effect

SECONDS = {
    "CLOSED": 11,
    "COOKIE_WAIT": 12,
    "COOKIE_ECHOED": 13,
    "ESTABLISHED": 14,
    "SHUTDOWN_SENT": 15,
    "SHUTDOWN_RECD": 16,
    "SHUTDOWN_ACK_SENT": 17,
    "HEARTBEAT_SENT": 18,
}
CONFIG = Config(timeouts=Timeouts(**{f"sctp_{name.lower()}": at for name, at in SECONDS.items()}))
KEY = decode(sctp("DATA")).key
NOW, UNTOUCHED = 100.0, 50.0
OWN, OTHER, FOREIGN = 4, 15, 99  # the tag expected of the sender, of the receiver, of neither
both_ways = pytest.mark.parametrize("way", [0, 1], ids=["original", "reply"])
CUT_INIT = b"\1\0\0\x14" + bytes(15)
CUT_INIT_ACK = b"\2\0\0\x14" + bytes(15)


class Association:
    """An association in a state, in which one side sends."""

    def __init__(self, state, way=0, doubted=None, init_seen=(False, False)):
        self.machine = SctpMachine(CONFIG)
        self.connection = connect(SCTP, KEY, reverse(SCTP, KEY), self.machine, 0.0)
        self.connection.expires_at = UNTOUCHED
        self.side = (self.connection.original_side, self.connection.reply_side)[way]
        self.tags = Tags([OWN, OTHER][:: 1 - 2 * way], list(init_seen), doubted)
        self.connection.state, self.connection.memory = SctpState[state], self.tags

    def sends(self, chunks, tag=OWN, **more):
        return self.machine.step(self.side, decode(sctp(chunks, tag, **more)), NOW).name

    @property
    def state(self):
        return self.connection.state.name

    @property
    def is_renewed(self):
        assert self.connection.expires_at in (UNTOUCHED, NOW + SECONDS[self.state])
        return self.connection.expires_at != UNTOUCHED


def opened(chunks, tag, **more):
    """The reason, and the connection, of a packet that comes first; nothing before it counts."""
    fresh = Association("ESTABLISHED", init_seen=(True, True))
    reason = fresh.machine.open(fresh.side, decode(sctp(chunks, tag, **more)), NOW)
    return reason.name, fresh.connection


@pytest.mark.parametrize(
    ("verify", "chunks", "bad", "reason"),
    [
        (True, "INIT", False, "OK"),
        (True, "INIT", True, "CHECKSUM"),
        (False, "INIT", True, "OK"),
        (True, "INIT+DATA", True, "CHECKSUM"),
        (True, "INIT+DATA", False, "SCTP_CHUNKS"),
        (False, "INIT+DATA", True, "SCTP_CHUNKS"),
        (False, "INIT+DATA", False, "SCTP_CHUNKS"),
    ],
)
def test_what_is_checked_without_an_association(verify, chunks, bad, reason):
    machine = SctpMachine(Config(verify_checksums=verify))
    assert machine.validate(decode(sctp(chunks, bad=bad))).name == reason
    assert machine.validate(decode(sctp(chunks, bad=bad) + b"behind it")).name == reason


# The first packet, its tag; the state that it leads to, and the tags expected afterwards.
OPENINGS = [
    ("INIT/9", 0, "CLOSED", [0, 9]),
    ("INIT/0", 0, "CLOSED", [0, 0]),
    ("INIT_ACK/9", 0, "CLOSED", [0, 9]),
    ("HEARTBEAT", 7, "HEARTBEAT_SENT", [7, 0]),
    ("HEARTBEAT", 0, "HEARTBEAT_SENT", [0, 0]),
    ("HEARTBEAT_ACK", 7, "CLOSED", [7, 0]),
    ("SHUTDOWN_ACK", 7, "SHUTDOWN_ACK_SENT", [0, 7]),
    ("SHUTDOWN", 0, "CLOSED", [0, 0]),
    ("ERROR", 0, "CLOSED", [0, 0]),
    ("COOKIE_ECHO", 0, "CLOSED", [0, 0]),
    ("COOKIE_ECHO+HEARTBEAT", 7, "CLOSED", [7, 0]),
    ("SHUTDOWN+SHUTDOWN_ACK", 7, "CLOSED", [0, 7]),
    ("SHUTDOWN_ACK+HEARTBEAT", 7, "SHUTDOWN_ACK_SENT", [7, 7]),
]


@pytest.mark.parametrize(("chunks", "tag", "state", "expected"), OPENINGS)
def test_what_opens(chunks, tag, state, expected):
    reason, connection = opened(chunks, tag)
    assert (reason, connection.state.name) == ("OK", state)
    assert connection.memory.expected == expected
    assert connection.memory.init_seen == [chunks.startswith("INIT/"), False]
    assert connection.expires_at == NOW + SECONDS[state]
    assert not connection.is_assured


@pytest.mark.parametrize("tag", [0, 7])
@pytest.mark.parametrize(
    "chunks",
    [
        "DATA",
        "SACK",
        "ABORT",
        "ABORT!",
        "SHUTDOWN_COMPLETE",
        "COOKIE_ACK",
        "HEARTBEAT+DATA",
        "HEARTBEAT+ABORT",
        "SHUTDOWN_ACK+SACK",
        "COOKIE_ACK+HEARTBEAT",
    ],
)
def test_what_opens_nothing(chunks, tag):
    assert opened(chunks, tag)[0] == "SCTP_NOT_AN_OPENING"


@pytest.mark.parametrize("chunks", ["INIT/9", "INIT_ACK/9", "SHUTDOWN", "ERROR", "COOKIE_ECHO"])
def test_what_opens_only_without_a_tag(chunks):
    assert opened(chunks, 7)[0] == "SCTP_TAG"


@pytest.mark.parametrize("octets", [CUT_INIT, CUT_INIT_ACK], ids=["INIT", "INIT ACK"])
def test_an_opening_whose_initiate_tag_is_cut_off(octets):
    assert opened("", 0, tail=octets)[0] == "HEADER_CUT_SHORT"
    assert opened("", 0, tail=octets + bytes(1))[0] == "OK"


# Which tags a packet of an established association may have.
TAGS = {
    **{name: {OWN} for name in set(CHUNKS) - {"INIT_ACK", "HEARTBEAT"}},
    **{chunks: {OWN} for chunks in ("DATA!", "COOKIE_ECHO!", "DATA+SACK", "COOKIE_ECHO+DATA")},
    "INIT": {0},
    "ABORT!": {OTHER},
    "SHUTDOWN_COMPLETE!": {OTHER},
    "SHUTDOWN_ACK": {0, OWN, OTHER, FOREIGN},
    "DATA+SHUTDOWN_ACK": {0, OWN, OTHER, FOREIGN},
    "DATA+COOKIE_ECHO": {OWN},
    f"INIT_ACK/{OTHER}": {OWN},
}


@both_ways
@pytest.mark.parametrize("tag", [0, OWN, OTHER, FOREIGN])
@pytest.mark.parametrize("chunks", sorted(TAGS))
def test_the_tag_that_a_chunk_wants(chunks, tag, way):
    association = Association("ESTABLISHED", way)
    expected = "OK" if tag in TAGS[chunks] else "SCTP_TAG"
    assert association.sends(chunks, tag) == expected
    assert association.is_renewed is (expected == "OK")
    assert association.state == "ESTABLISHED" or expected == "OK"


@both_ways
def test_a_heartbeat_with_the_expected_tag_ends_the_doubt(way):
    association = Association("ESTABLISHED", way, doubted=1 - way)
    assert association.sends("HEARTBEAT+DATA") == "OK"
    assert association.tags.doubted is None
    assert association.is_renewed


@both_ways
@pytest.mark.parametrize("name", ["HEARTBEAT", "HEARTBEAT_ACK"])
def test_a_heartbeat_tells_a_tag_that_nobody_knows(name, way):
    association = Association("ESTABLISHED", way)
    association.tags.expected[way] = 0
    assert association.sends(f"{name}+DATA", FOREIGN) == "OK"
    assert association.tags.expected == [FOREIGN, OTHER][:: 1 - 2 * way]
    assert association.is_renewed


@both_ways
@pytest.mark.parametrize("chunks", ["HEARTBEAT", "HEARTBEAT+SACK"])
def test_another_tag_is_doubted_and_renews_nothing(chunks, way):
    association = Association("ESTABLISHED", way)
    assert association.sends(chunks, FOREIGN) == "HEARTBEAT_DOUBTED"
    assert association.tags.doubted == way
    assert association.tags.expected[way] == OWN
    assert not association.is_renewed


# What comes with another tag than the expected one, and whose heartbeat is in doubt.
REFUSED_HEARTBEATS = [
    ("HEARTBEAT+DATA", None),
    ("DATA+HEARTBEAT", None),
    ("HEARTBEAT_ACK", None),
    ("HEARTBEAT_ACK", "its own"),
    ("HEARTBEAT_ACK+DATA", "the other's"),
    ("HEARTBEAT+HEARTBEAT", None),
    ("HEARTBEAT+HEARTBEAT_ACK", "the other's"),
]


@both_ways
@pytest.mark.parametrize(("chunks", "whose"), REFUSED_HEARTBEATS)
def test_another_tag_is_refused(chunks, whose, way):
    doubted = {None: None, "its own": way, "the other's": 1 - way}[whose]
    association = Association("ESTABLISHED", way, doubted)
    assert association.sends(chunks, FOREIGN) == "SCTP_TAG"
    assert association.tags.expected[way] == OWN
    assert not association.is_renewed


@both_ways
def test_an_acknowledgement_settles_the_other_ends_doubt(way):
    association = Association("ESTABLISHED", way, doubted=1 - way)
    assert association.sends("HEARTBEAT_ACK", FOREIGN) == "OK"
    assert association.tags.expected == [FOREIGN, 0][:: 1 - 2 * way]
    assert association.tags.doubted is None
    assert association.is_renewed


# The state, the direction, the chunks of a packet, and the state afterwards.
MOVES = [
    ("CLOSED", 1, f"INIT_ACK/{OTHER}", "COOKIE_WAIT"),
    ("COOKIE_WAIT", 0, "COOKIE_ECHO+DATA", "COOKIE_ECHOED"),
    ("COOKIE_ECHOED", 1, "COOKIE_ACK", "ESTABLISHED"),
    ("COOKIE_ECHOED", 0, "COOKIE_ACK+SHUTDOWN", "SHUTDOWN_SENT"),
    ("ESTABLISHED", 1, "SHUTDOWN", "SHUTDOWN_RECD"),
    ("SHUTDOWN_RECD", 0, "SHUTDOWN_ACK", "SHUTDOWN_ACK_SENT"),
    ("SHUTDOWN_ACK_SENT", 1, "SHUTDOWN_COMPLETE", "CLOSED"),
    ("HEARTBEAT_SENT", 0, "HEARTBEAT+DATA", "HEARTBEAT_SENT"),
    ("HEARTBEAT_SENT", 1, "HEARTBEAT_ACK", "ESTABLISHED"),
    ("CLOSED", 0, "DATA", "CLOSED"),
]


@pytest.mark.parametrize(("state", "way", "chunks", "becomes"), MOVES)
def test_each_state_has_its_timer(state, way, chunks, becomes):
    association = Association(state, way)
    assert association.sends(chunks) == "OK"
    assert association.state == becomes
    assert association.connection.expires_at == NOW + SECONDS[becomes]
    became_established = state != "ESTABLISHED" and {"COOKIE_ACK", "HEARTBEAT_ACK"} & {
        *chunks.split("+")
    }
    assert association.connection.is_assured is bool(became_established)


def test_every_timer_was_looked_at():
    assert {becomes for *_, becomes in MOVES} == set(SECONDS)


def test_what_is_established_is_not_assured_anew():
    association = Association("ESTABLISHED")
    assert association.sends("DATA") == "OK"
    assert not association.connection.is_assured


@both_ways
@pytest.mark.parametrize(
    ("state", "way_of_init", "reason"),
    [
        ("CLOSED", None, "INIT_REPEATED"),
        ("COOKIE_WAIT", None, "OK"),
        ("COOKIE_ECHOED", None, "OK"),
        ("SHUTDOWN_ACK_SENT", None, "OK"),
        ("SHUTDOWN_SENT", 0, "OK"),  # becomes CLOSED, but was not
    ],
)
def test_an_init_renews_all_but_one_that_is_closed(state, way_of_init, reason, way):
    association = Association(state, way if way_of_init is None else way_of_init)
    assert association.sends("INIT/9", 0) == reason
    assert association.is_renewed is (reason == "OK")
    assert 9 in association.tags.expected


@both_ways
def test_an_init_that_repeats_its_tag_is_not_remembered(way):
    association = Association("ESTABLISHED", way)
    assert association.sends(f"INIT/{OTHER}", 0) == "OK"
    assert association.tags.init_seen == [False, False]
    assert association.sends("INIT/9", 0) == "OK"
    assert association.tags.init_seen[way]
    assert association.tags.expected[1 - way] == 9


@pytest.mark.parametrize("octets", [CUT_INIT, CUT_INIT_ACK], ids=["INIT", "INIT ACK"])
def test_an_initiate_tag_that_is_cut_off(octets):
    association = Association("CLOSED", 1)
    tag = 0 if octets is CUT_INIT else OWN
    assert association.sends("", tag, tail=octets) == "HEADER_CUT_SHORT"
    assert (association.state, association.is_renewed) == ("CLOSED", False)
    assert association.tags.expected == [OTHER, OWN]


def test_an_init_ack_that_contradicts_moves_nothing():
    association = Association("CLOSED", 1)
    assert association.sends("INIT_ACK/9") == "INIT_ACK_TAG"
    assert (association.state, association.is_renewed) == ("CLOSED", False)


@both_ways
@pytest.mark.parametrize("state", ["COOKIE_ECHOED", "ESTABLISHED"])
@pytest.mark.parametrize(("name", "is_over"), [("COOKIE_ACK", True), ("COOKIE_ECHO", False)])
def test_the_last_step_of_an_opening_forgets_who_sent_an_init(name, is_over, state, way):
    association = Association(state, way, init_seen=(True, True))
    assert association.sends(name) == "OK"
    assert association.tags.init_seen == [not is_over, not is_over]


@pytest.mark.parametrize("name", ["INIT_ACK", "SHUTDOWN", "ERROR", "COOKIE_ECHO", "SHUTDOWN_ACK"])
def test_what_cannot_follow_an_unanswered_heartbeat(name):
    association = Association("HEARTBEAT_SENT", 1)
    assert association.sends(name) == "OUT_OF_STATE"
    assert (association.state, association.is_renewed) == ("HEARTBEAT_SENT", False)
    assert association.tags.expected == [OTHER, OWN]


def test_a_later_chunk_refuses_what_an_earlier_one_has_moved():
    association = Association("SHUTDOWN_SENT", 1)
    assert association.sends("SHUTDOWN_ACK+ABORT", FOREIGN) == "SCTP_TAG"
    assert (association.state, association.is_renewed) == ("SHUTDOWN_ACK_SENT", False)


def test_a_refused_chunk_ends_the_packet():
    association = Association("SHUTDOWN_SENT", 1)
    assert association.sends("ABORT+SHUTDOWN_ACK", FOREIGN) == "SCTP_TAG"
    assert association.state == "SHUTDOWN_SENT"


def test_a_doubted_heartbeat_does_not_end_the_packet():
    association = Association("SHUTDOWN_SENT", 1)
    assert association.sends("HEARTBEAT+SHUTDOWN_ACK", FOREIGN) == "HEARTBEAT_DOUBTED"
    assert (association.state, association.is_renewed) == ("SHUTDOWN_ACK_SENT", False)


def test_what_is_ignored_is_let_through():
    assert Reason.INIT_REPEATED.effect is Reason.HEARTBEAT_DOUBTED.effect is Effect.IGNORE
