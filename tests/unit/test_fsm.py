"""Rows become a total table, or are refused."""

from __future__ import annotations

from enum import IntEnum

import pytest

from statefulinspect.fsm import BOTH, IGNORE, INVALID, STAY, Row, cells_of, compile_rows
from statefulinspect.terms import ORIGINAL, REPLY


class Door(IntEnum):
    SHUT = 0
    OPEN = 1
    LOCKED = 2


class Act(IntEnum):
    PUSH = 0
    TURN = 1


class Other(IntEnum):
    SHUT = 0


SHUT, OPEN, LOCKED = Door
PUSH, TURN = Act
ROWS = (
    Row(SHUT, ORIGINAL, PUSH, OPEN, "it opens"),
    Row(OPEN, BOTH, PUSH, SHUT, "it falls shut"),
    Row(SHUT, REPLY, TURN, LOCKED, "the other locks it"),
    Row(LOCKED, ORIGINAL, PUSH, IGNORE, "it may be heard"),
)


def compiled(*rows, otherwise=INVALID, initial=(SHUT,)):
    return compile_rows(rows, Door, Act, initial=initial, otherwise=otherwise)


def test_each_row_is_its_cell():
    table = compiled(*ROWS)
    assert table[0][SHUT][PUSH] is OPEN
    assert table[1][SHUT][TURN] is LOCKED
    assert table[0][LOCKED][PUSH] is IGNORE


def test_a_row_for_both_directions_is_two_cells():
    table = compiled(*ROWS)
    assert table[0][OPEN][PUSH] is table[1][OPEN][PUSH] is SHUT
    assert ROWS[1].directions == (ORIGINAL, REPLY)
    assert ROWS[0].directions == (ORIGINAL,)


@pytest.mark.parametrize("otherwise", [IGNORE, INVALID])
def test_every_other_cell_takes_the_default(otherwise):
    table = compiled(*ROWS[:3], otherwise=otherwise)
    outcomes = [cell for direction in table for state in direction for cell in state]
    assert len(outcomes) == 2 * len(Door) * len(Act)
    assert outcomes.count(otherwise) == len(outcomes) - 4


def test_without_a_row_a_state_may_stay():
    table = compiled(*ROWS[:3], otherwise=STAY)
    stays = {SHUT: [(0, TURN), (1, PUSH)], OPEN: [(0, TURN), (1, TURN)]}
    for state, cells in stays.items():
        assert all(table[is_reply][state][event] is state for is_reply, event in cells)
    assert {table[is_reply][LOCKED][event] for is_reply in (0, 1) for event in Act} == {LOCKED}
    assert table[0][SHUT][PUSH] is OPEN


def test_a_row_may_say_that_a_state_stays():
    table = compiled(*ROWS, Row(LOCKED, REPLY, PUSH, STAY, "it is locked"))
    assert table[1][LOCKED][PUSH] is LOCKED
    assert table[1][LOCKED][TURN] is INVALID


def test_to_stay_leads_nowhere():
    stays = Row(LOCKED, ORIGINAL, PUSH, STAY, "it is locked")
    with pytest.raises(ValueError, match=r"^nothing leads to LOCKED$"):
        compiled(ROWS[0], stays, otherwise=STAY)


def test_cells_lead_to_their_rows():
    cells = cells_of(ROWS)
    assert len(cells) == 5
    assert cells[REPLY, OPEN, PUSH].because == "it falls shut"


@pytest.mark.parametrize("direction", [REPLY, BOTH])
@pytest.mark.parametrize("becomes", [SHUT, LOCKED])
def test_two_rows_for_one_cell_are_refused(direction, becomes):
    double = Row(OPEN, direction, PUSH, becomes, "again")
    with pytest.raises(ValueError, match=r"^two rows for OPEN (REPLY|ORIGINAL) PUSH$"):
        compiled(*ROWS, double)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row(Other.SHUT, ORIGINAL, TURN, OPEN, ""), "<Other.SHUT: 0> is not one of Door"),
        (Row(SHUT, ORIGINAL, TURN, Other.SHUT, ""), "<Other.SHUT: 0> is not one of Door"),
        (Row(SHUT, ORIGINAL, OPEN, SHUT, ""), "<Door.OPEN: 1> is not one of Act"),
        (Row(SHUT, ORIGINAL, TURN, PUSH, ""), "<Act.PUSH: 0> is not one of Door"),
        (Row(INVALID, ORIGINAL, TURN, SHUT, ""), "is not one of Door"),
    ],
)
def test_a_foreign_word_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        compiled(*ROWS, row)


def test_a_state_that_nothing_leads_to_is_refused():
    with pytest.raises(ValueError, match=r"^nothing leads to LOCKED$"):
        compiled(ROWS[0], ROWS[1], ROWS[3])


def test_a_state_that_only_leads_to_itself_is_refused():
    circle = Row(LOCKED, ORIGINAL, PUSH, LOCKED, "stays")
    with pytest.raises(ValueError, match=r"^nothing leads to LOCKED$"):
        compiled(ROWS[0], circle)


def test_all_unreachable_states_are_named_in_order():
    with pytest.raises(ValueError, match=r"^nothing leads to LOCKED, OPEN$"):
        compiled(ROWS[1], ROWS[3])


def test_an_initial_state_needs_no_row_that_leads_to_it():
    assert compiled(ROWS[0], ROWS[1], ROWS[3], initial=(SHUT, LOCKED))[0][LOCKED][PUSH] is IGNORE


def test_reachable_by_a_chain_in_any_order_of_rows():
    chain = (Row(LOCKED, BOTH, TURN, OPEN, ""), Row(OPEN, BOTH, TURN, LOCKED, ""), ROWS[0])
    assert compiled(*chain)[1][LOCKED][TURN] is OPEN
