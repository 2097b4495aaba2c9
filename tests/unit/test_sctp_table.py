"""Every cell of the SCTP table, against the grid as Linux 6.18 answers it."""

from __future__ import annotations

import pytest

from statefulinspect.fsm import INVALID, cells_of
from statefulinspect.machines.sctp_table import ROWS, TRANSITIONS, SctpEvent, SctpState
from statefulinspect.terms import ORIGINAL, REPLY

# The columns are SctpEvent in order; a dot stays, a dash cannot follow, the rest are WORDS.
GRID = {
    ORIGINAL: """
        #                  INIT  ABORT  SD_ACK C_ECHO SD_COMP HB_ACK
        #                     I_ACK  SHUTD  ERROR  C_ACK   HEARTB OTHER
        NONE               CL CL .   CL  SA  CL CL  .   .  HS  CL .
        CLOSED             .  .  .   .   .   .  .   .   .  .   .  .
        COOKIE_WAIT        .  .  CL  .   .   .  CE  .   .  .   .  .
        COOKIE_ECHOED      .  .  CL  .   .   .  .   ES  .  .   .  .
        ESTABLISHED        .  .  CL  SS  .   .  .   .   .  .   .  .
        SHUTDOWN_SENT      CL .  CL  .   SA  .  .   .   .  .   .  .
        SHUTDOWN_RECD      CL .  CL  .   SA  .  .   .   .  .   .  .
        SHUTDOWN_ACK_SENT  .  .  CL  .   .   .  .   .   CL .   .  .
        HEARTBEAT_SENT     CW CL CL  CL  SA  CL CL  CL  CL .   .  .
    """,
    REPLY: """
        #                  INIT  ABORT  SD_ACK C_ECHO SD_COMP HB_ACK
        #                     I_ACK  SHUTD  ERROR  C_ACK   HEARTB OTHER
        NONE               .  .  .   .   .   .  .   .   .  .   .  .
        CLOSED             .  CW .   .   .   .  .   .   .  .   .  .
        COOKIE_WAIT        .  .  CL  .   .   .  CE  .   .  .   .  .
        COOKIE_ECHOED      .  .  CL  .   .   CL .   ES  .  .   .  .
        ESTABLISHED        .  .  CL  SR  .   .  .   .   .  .   .  .
        SHUTDOWN_SENT      .  .  CL  .   SA  .  .   .   .  .   .  .
        SHUTDOWN_RECD      .  .  CL  .   SA  .  .   .   .  .   .  .
        SHUTDOWN_ACK_SENT  .  .  CL  .   .   .  .   .   CL .   .  .
        HEARTBEAT_SENT     -  -  -   -   -   -  -   -   -  .   ES .
    """,
}
WORDS = {
    "-": INVALID,
    "CL": SctpState.CLOSED,
    "CW": SctpState.COOKIE_WAIT,
    "CE": SctpState.COOKIE_ECHOED,
    "ES": SctpState.ESTABLISHED,
    "SS": SctpState.SHUTDOWN_SENT,
    "SR": SctpState.SHUTDOWN_RECD,
    "SA": SctpState.SHUTDOWN_ACK_SENT,
    "HS": SctpState.HEARTBEAT_SENT,
}
OPEN = set(SctpState) - {SctpState.NONE}


def cells():
    because = {cell: row.because for cell, row in cells_of(ROWS).items()}
    for direction, grid in GRID.items():
        for line in filter(None, map(str.strip, grid.splitlines())):
            state, *row = line.split()
            if state == "#":
                continue
            for event, word in zip(SctpEvent, row):
                cell = direction, SctpState[state], event
                reason = because.get(cell, "stays as it is")
                name = f"{state}-{direction.name}-{event.name}: {reason}"
                yield pytest.param(*cell, WORDS.get(word, cell[1]), id=name)


@pytest.mark.parametrize(("direction", "state", "event", "becomes"), list(cells()))
def test_cell(direction, state, event, becomes):
    assert TRANSITIONS[direction is REPLY][state][event] is becomes


def test_the_grid_is_whole():
    named = {tuple(cell.values[:3]) for cell in cells()}
    assert len(named) == len(list(cells())) == 2 * len(SctpState) * len(SctpEvent)


def test_numbers_are_those_of_ctnetlink():
    names = (
        "NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD "
        "SHUTDOWN_ACK_SENT HEARTBEAT_SENT"
    )
    assert [(state.name, state.value) for state in SctpState] == [
        (name, number) for number, name in enumerate(names.split())
    ]


def test_data_moves_nothing():
    for is_reply in (0, 1):
        for state in SctpState:
            assert TRANSITIONS[is_reply][state][SctpEvent.OTHER] is state


def test_every_state_can_be_closed():
    for state in OPEN:
        assert TRANSITIONS[0][state][SctpEvent.ABORT] is SctpState.CLOSED


def test_established_is_left_only_by_shutdown_or_abort():
    for is_reply in (0, 1):
        for event in set(SctpEvent) - {SctpEvent.SHUTDOWN, SctpEvent.ABORT}:
            assert TRANSITIONS[is_reply][SctpState.ESTABLISHED][event] is SctpState.ESTABLISHED


def test_no_row_says_that_a_state_stays():
    assert not [row for row in ROWS if row.becomes is row.state]
