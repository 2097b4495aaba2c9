"""PPTP: which messages move session and call, and what is announced, mapped and severed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, SERVER, packed, tcp
from kernel.dialogues_pptp import SIZES, about, asked, granted, message, started
from statefulinspect import Tracker
from statefulinspect.fsm import NoTransition
from statefulinspect.helpers.model import EndingHelper, Helper, Message
from statefulinspect.helpers.pptp import (
    CALL_ROWS,
    CALLS,
    SESSION_ROWS,
    SESSIONS,
    CallState,
    PptpHelper,
    SessionState,
)
from statefulinspect.helpers.pptp_messages import LAYOUTS, PptpEvent, read_message
from statefulinspect.helpers.statements import (
    NOTHING,
    Announce,
    AnnounceCall,
    MapKey,
    Refuse,
    Sever,
    UnmapKeys,
)

HERE, THERE = packed(CLIENT), packed(SERVER)
GRE = 47
START, STARTED = (0, message(1)), (1, started())
OPENED = [START, STARTED]
OUTGOING = [*OPENED, (0, asked(7, 0x11)), (1, granted(8, 0x22, 0x11))]
INCOMING = [*OPENED, (1, asked(9, 0x22)), (0, granted(10, 0x11, 0x22)), (1, about(11, 0x11))]
STOP, STOPPED = (0, message(3)), (1, message(4, b"\1"))
REOPENED = [STOP, STOPPED, *OPENED]
DISCONNECT = (1, about(13, 0x22))


class Control:
    """A control connection and its helper."""

    def __init__(self):
        self.helper = PptpHelper()
        self.connection = Tracker().process(tcp(1000, 1723, "SYN"), 0.0).connection
        self.connection.helper_memory = self.helper.begin()

    @property
    def progress(self):
        return self.connection.helper_memory

    def say(self, is_reply, payload):
        sides = self.connection.original_side, self.connection.reply_side
        return self.helper.read(Message(sides[is_reply], payload, 1, 0.0))

    def say_all(self, lines):
        """Say lines; give the outcome of the last, all others being none."""
        outcomes = [self.say(*line) for line in lines]
        assert all(outcome == NOTHING for outcome in outcomes[:-1])
        return outcomes[-1]


def connected(client_id, server_id):
    return (
        AnnounceCall(
            either=(
                Announce(
                    GRE, THERE, server_id, source=HERE, source_port=client_id, group="call"
                ),
                Announce(
                    GRE, HERE, client_id, source=THERE, source_port=server_id, group="call"
                ),
            ),
            keys=(
                MapKey(HERE, THERE, server_id, client_id),
                MapKey(THERE, HERE, client_id, server_id),
            ),
        ),
    )  # fmt: skip


def severed(client_id, server_id):
    a, b = client_id.to_bytes(2, "big"), server_id.to_bytes(2, "big")
    there, back = Sever(GRE, HERE + THERE + a + b), Sever(GRE, THERE + HERE + b + a)
    return (there, back, UnmapKeys())


CALL = connected(0x11, 0x22)


def test_it_is_a_helper_that_has_a_last_word():
    helper = PptpHelper()
    assert isinstance(helper, Helper)
    assert isinstance(helper, EndingHelper)
    assert helper.policies[""] == (2, 300.0)


@pytest.mark.parametrize("lines", [OUTGOING, INCOMING], ids=["outgoing", "incoming"])
class TestOrder:
    def test_a_call_is_announced_when_it_is_connected(self, lines):
        assert Control().say_all(lines) == CALL

    def test_no_line_may_be_missing(self, lines):
        for missing in range(len(lines)):
            control = Control()
            for line in lines[:missing] + lines[missing + 1 :]:
                assert control.say(*line) == NOTHING

    def test_no_line_may_come_from_the_other_end(self, lines):
        for wrong in range(len(lines)):
            control = Control()
            for at, (is_reply, payload) in enumerate(lines):
                outcome = control.say(is_reply ^ (at == wrong), payload)
                assert outcome == NOTHING

    def test_lines_in_another_order_announce_nothing(self, lines):
        control = Control()
        assert all(control.say(*line) == NOTHING for line in lines[::-1])

    def test_no_line_may_be_shorter_than_its_layout(self, lines):
        for cut in range(len(lines)):
            for size in (0, 1, 12, len(lines[cut][1]) - 1):
                control = Control()
                for at, (is_reply, payload) in enumerate(lines):
                    outcome = control.say(is_reply, payload[:size] if at == cut else payload)
                    assert outcome == NOTHING

    def test_what_follows_in_the_segment_is_not_read(self, lines):
        longer = [(is_reply, payload + about(13, 0)) for is_reply, payload in lines]
        assert Control().say_all(longer) == CALL

    def test_only_the_first_message_of_a_segment_is_read(self, lines):
        *before, (is_reply, payload) = lines
        assert Control().say_all([*before, (is_reply, message(5) + payload)]) == NOTHING

    def test_the_length_field_does_not_matter(self, lines):
        *before, (is_reply, payload) = lines
        assert Control().say_all([*before, (is_reply, b"\xff\xff" + payload[2:])]) == CALL

    @pytest.mark.parametrize("at", range(2, 10))
    def test_type_cookie_and_kind_do(self, lines, at):
        *before, (is_reply, payload) = lines
        spoiled = payload[:at] + bytes([payload[at] ^ 0x40]) + payload[at + 1 :]
        assert Control().say_all([*before, (is_reply, spoiled)]) == NOTHING

    def test_the_last_line_said_again_announces_again(self, lines):
        control = Control()
        control.say_all(lines)
        assert control.say(*lines[-1]) == CALL

    def test_a_call_outlives_its_session(self, lines):
        control = Control()
        control.say_all(lines[:-1])
        assert control.say_all([*REOPENED, lines[-1]]) == CALL

    def test_a_disconnect_severs_it_whatever_it_names(self, lines):
        control = Control()
        control.say_all(lines)
        assert control.say(1, about(13, 0x99)) == severed(0x11, 0x22)
        assert control.progress.call is CallState.IDLE

    def test_a_disconnect_needs_no_session(self, lines):
        control = Control()
        control.say_all(lines)
        assert control.say_all([STOP, DISCONNECT]) == severed(0x11, 0x22)

    def test_the_client_disconnects_nothing(self, lines):
        control = Control()
        control.say_all(lines)
        assert control.say(0, DISCONNECT[1]) == NOTHING

    def test_the_end_of_the_connection_severs_it(self, lines):
        control = Control()
        control.say_all(lines)
        assert control.helper.end(control.connection) == severed(0x11, 0x22)


def test_the_end_without_a_call_severs_by_the_ids_there_are():
    control = Control()
    assert control.helper.end(control.connection) == severed(0, 0)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([(0, asked(7, 0x11)), (1, granted(8, 0x22, 0x12))], "another call"),
        ([(0, asked(7, 0x11)), (1, granted(8, 0x22, 0x22))], "its own"),
        ([(1, asked(9, 0x22)), (0, granted(10, 0x11, 0x21)), (1, about(11, 0x11))], "no call"),
        ([(1, asked(9, 0x22)), (0, granted(10, 0x11, 0x22)), (1, about(11, 0x22))], "its own"),
        ([(0, asked(7, 0x11)), (1, granted(8, 0x22, 0x11, 2))], "a refusal"),
        ([(0, asked(7, 0x11)), (1, granted(8, 0x22, 0x11, 0))], "result 0"),
        (
            [(1, asked(9, 0x22)), (0, granted(10, 0x11, 0x22, 2)), (1, about(11, 0x11))],
            "a refusal",
        ),
        ([(0, asked(7, 0x11)), (0, about(12, 0x99)), (1, granted(8, 0x22, 0x11))], "cleared"),
        ([(0, asked(7, 0x11)), (1, asked(9, 0x22)), (1, granted(8, 0x22, 0x11))], "crossed"),
    ],
)
def test_a_call_that_is_not_connected(lines, names):
    assert Control().say_all([*OPENED, *lines]) == NOTHING, names


def test_the_error_code_does_not_matter():
    control = Control()
    control.say_all(OUTGOING[:-1])
    assert control.say(1, granted(8, 0x22, 0x11, 1, error=5)) == CALL


def test_ids_may_be_zero_and_change_with_the_next_answer():
    control = Control()
    control.say_all([*OPENED, (0, asked(7, 0))])
    assert control.say(1, granted(8, 0, 0)) == connected(0, 0)
    assert control.say(1, granted(8, 0xFFFF, 0)) == connected(0, 0xFFFF)
    assert control.say(1, granted(8, 0x22, 0, 2)) == NOTHING
    assert control.progress.call_ids == [0, 0xFFFF]
    assert control.say(1, granted(8, 0x22, 0)) == NOTHING


def test_a_refusal_that_names_another_call_is_not_heard():
    control = Control()
    control.say_all([*OUTGOING[:-1], (1, granted(8, 0x22, 0x12, 2))])
    assert control.say(*OUTGOING[-1]) == CALL


@pytest.mark.parametrize(
    "lines",
    [
        [START, (1, started(2)), STARTED],
        [*OPENED, (1, started(5))],
        [START, (1, started(2)), *OPENED],
        [STOP, *OPENED],
        [START, STOP, STARTED],
        [(1, message(4, b"\2")), *OPENED],
        [*OPENED, STOP],
        [*OPENED, STOP, STOPPED],
        [*OPENED, STOP, STOPPED, START],
    ],
)
def test_no_call_without_an_open_session(lines):
    assert Control().say_all([*lines, *OUTGOING[2:]]) == NOTHING
    assert Control().say_all([*lines, *INCOMING[2:]]) == NOTHING


@pytest.mark.parametrize(
    "lines",
    [
        [*OPENED, START],
        [*OPENED, STARTED],
        [*OPENED, STOPPED],
        [START, (1, started(2)), STOPPED, *OPENED],
        [(1, started()), *OPENED],
        [STOP, STOPPED, *OPENED],
        [*OPENED, (1, message(3))],
        [*OPENED, (0, message(5)), (1, message(6)), (0, message(15)), (1, message(14))],
    ],
)
def test_the_session_is_open(lines):
    assert Control().say_all([*lines, *OUTGOING[2:]]) == CALL


def test_the_client_may_take_a_call_between_sessions():
    control = Control()
    control.say_all([*INCOMING[:3], STOP, INCOMING[3], STOPPED, *OPENED])
    assert control.say(*INCOMING[4]) == CALL


def test_a_call_is_not_cleared_between_sessions():
    control = Control()
    control.say_all([*OUTGOING[:3], STOP, (0, about(12, 0x11)), STOPPED, *OPENED])
    assert control.say(*OUTGOING[3]) == CALL


def rows_by_because(rows):
    return [pytest.param(row, id=f"{row.because} in {row.state.name}") for row in rows]


@pytest.mark.parametrize("row", rows_by_because(SESSION_ROWS))
def test_session_rows(row):
    assert SESSIONS[row.direction.name == "REPLY"][row.state][row.event] is row.becomes


@pytest.mark.parametrize("row", rows_by_because(CALL_ROWS))
def test_call_rows(row):
    assert CALLS[row.direction.name == "REPLY"][row.state][row.event] is row.becomes


@pytest.mark.parametrize("event", PptpEvent)
def test_each_event_belongs_to_one_machine_and_one_end(event):
    moving = [
        (name, is_reply)
        for name, table in (("session", SESSIONS), ("call", CALLS))
        for is_reply in (0, 1)
        if any(not isinstance(cells[event], NoTransition) for cells in table[is_reply])
    ]
    assert len(moving) == 1


@pytest.mark.parametrize("kind", LAYOUTS)
def test_layouts_have_the_sizes_of_the_rfc(kind):
    assert LAYOUTS[kind].size == SIZES[kind]
    assert read_message(message(kind)) is not None
    assert read_message(message(kind)[:-1]) is None


@pytest.mark.parametrize("kind", [0, 5, 6, 14, 15, 16, 0x0107, 0xFFFF])
def test_other_kinds_are_not_read(kind):
    assert read_message(message(kind).ljust(300, b"\1")) is None


def test_states_can_be_reached():
    control = Control()
    assert control.progress.session is SessionState.CLOSED
    control.say_all([*OPENED, (0, about(12, 1))])
    assert control.progress.session is SessionState.OPEN
    assert control.progress.call is CallState.CLEARING


octets = st.binary(max_size=300)
ids = st.integers(0, 65535)
spoken = st.one_of(
    octets,
    st.builds(message, st.integers(0, 20), st.binary(max_size=6)),
    st.builds(granted, st.sampled_from([8, 10]), ids, ids, st.integers(0, 3)),
)


@given(st.lists(st.tuples(st.integers(0, 1), spoken), max_size=12))
def test_whatever_is_said_has_an_outcome(lines):
    control = Control()
    for is_reply, payload in lines:
        outcome = control.say(is_reply, payload)
        assert not isinstance(outcome, Refuse)
        assert len(outcome) <= 3
    assert len(control.helper.end(control.connection)) == 3


@given(octets, st.integers(0, 3))
def test_anything_is_let_pass_in_the_middle_of_a_call(payload, said):
    for lines in (OUTGOING, INCOMING):
        control = Control()
        control.say_all(lines[: said + 1])
        assert not isinstance(control.say(said % 2, payload), Refuse)
