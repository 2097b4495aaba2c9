"""Every cell of the TCP table, against the grid as Linux 6.18 answers it."""

from __future__ import annotations

import pytest

from statefulinspect.fsm import IGNORE, INVALID, cells_of
from statefulinspect.machines.tcp_table import ROWS, TRANSITIONS, TcpEvent, TcpState
from statefulinspect.terms import ORIGINAL, REPLY

GRID = {
    ORIGINAL: """
        NONE         SYN_SENT   -         -          ESTABLISHED  -
        SYN_SENT     SYN_SENT   -         -          -            CLOSE
        SYN_RECV     ign        SYN_RECV  FIN_WAIT   ESTABLISHED  CLOSE
        ESTABLISHED  ign        -         FIN_WAIT   ESTABLISHED  CLOSE
        FIN_WAIT     ign        -         LAST_ACK   CLOSE_WAIT   CLOSE
        CLOSE_WAIT   ign        -         LAST_ACK   CLOSE_WAIT   CLOSE
        LAST_ACK     ign        -         LAST_ACK   TIME_WAIT    CLOSE
        TIME_WAIT    SYN_SENT   -         TIME_WAIT  TIME_WAIT    CLOSE
        CLOSE        SYN_SENT   -         CLOSE      CLOSE        CLOSE
        SYN_SENT2    SYN_SENT2  SYN_RECV  -          -            CLOSE
    """,
    REPLY: """
        NONE         -          -         -          -            -
        SYN_SENT     SYN_SENT2  SYN_RECV  -          ign          CLOSE
        SYN_RECV     -          ign       FIN_WAIT   SYN_RECV     CLOSE
        ESTABLISHED  -          ign       FIN_WAIT   ESTABLISHED  CLOSE
        FIN_WAIT     -          ign       LAST_ACK   CLOSE_WAIT   CLOSE
        CLOSE_WAIT   -          ign       LAST_ACK   CLOSE_WAIT   CLOSE
        LAST_ACK     -          ign       LAST_ACK   TIME_WAIT    CLOSE
        TIME_WAIT    SYN_SENT   ign       TIME_WAIT  TIME_WAIT    CLOSE
        CLOSE        -          ign       CLOSE      CLOSE        CLOSE
        SYN_SENT2    SYN_SENT2  SYN_RECV  -          ign          CLOSE
    """,
}
WORDS = {"-": INVALID, "ign": IGNORE, **TcpState.__members__}


def cells():
    because = {cell: row.because for cell, row in cells_of(ROWS).items()}
    for direction, grid in GRID.items():
        for line in filter(None, map(str.strip, grid.splitlines())):
            state, *row = line.split()
            for event, word in zip(TcpEvent, row):
                cell = direction, TcpState[state], event
                reason = because.get(cell, "cannot follow")
                name = f"{state}-{direction.name}-{event.name}: {reason}"
                yield pytest.param(*cell, WORDS[word], id=name)


@pytest.mark.parametrize(("direction", "state", "event", "becomes"), list(cells()))
def test_cell(direction, state, event, becomes):
    assert TRANSITIONS[direction is REPLY][state][event] is becomes


def test_the_grid_is_whole():
    assert len(list(cells())) == 2 * len(TcpState) * len(TcpEvent)


def test_a_reset_leads_out_of_every_state_but_none():
    for state in set(TcpState) - {TcpState.NONE}:
        for is_reply in (0, 1):
            assert TRANSITIONS[is_reply][state][TcpEvent.RST] is TcpState.CLOSE


def test_established_is_left_only_by_fin_or_reset():
    for is_reply in (0, 1):
        for event in set(TcpEvent) - {TcpEvent.FIN, TcpEvent.RST}:
            outcome = TRANSITIONS[is_reply][TcpState.ESTABLISHED][event]
            assert outcome in (TcpState.ESTABLISHED, IGNORE, INVALID)
