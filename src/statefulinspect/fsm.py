"""How rows become a total table: the form in which every state machine here is written down.

A machine is a tuple of `Row`s, one transition and one reason each. `compile_rows` turns them into
nested tuples `table[is_reply][state][event]` and refuses rows that contradict or repeat each
other, name an unknown word, or start from a state that nothing leads to. A cell without a row
takes the outcome named at the call, never an accidental zero. The `because` of a row goes into
the documentation and the names of the tests, so each has to be true.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final, NamedTuple, TypeVar, Union

from statefulinspect.terms import ORIGINAL, REPLY, Direction


class NoTransition(Enum):
    """Tell the outcomes that are not a state; compiling turns STAY into the state it stays in."""

    IGNORE = "may be right for the ends: let it through, learn nothing"
    INVALID = "cannot follow here"
    STAY = "leaves the state as it is"


IGNORE: Final = NoTransition.IGNORE
STAY: Final = NoTransition.STAY
INVALID: Final = NoTransition.INVALID
BOTH: Final = (ORIGINAL, REPLY)

State = TypeVar("State", bound=IntEnum)
Event = TypeVar("Event", bound=IntEnum)


class Row(NamedTuple):
    """State one transition: in `state`, an `event` of that direction becomes a state, because."""

    state: IntEnum
    direction: Direction | tuple[Direction, ...]
    event: IntEnum
    becomes: IntEnum | NoTransition
    because: str

    @property
    def directions(self) -> tuple[Direction, ...]:
        """List the directions that the row speaks of."""
        return self.direction if isinstance(self.direction, tuple) else (self.direction,)


Becomes = Union[State, NoTransition]
Transitions = tuple[tuple[tuple[Becomes[State], ...], ...], ...]
Cell = tuple[Direction, IntEnum, IntEnum]


def compile_rows(
    rows: tuple[Row, ...],
    states: type[State],
    events: type[Event],
    *,
    initial: tuple[State, ...],
    otherwise: NoTransition,
) -> Transitions[State]:
    """Turn rows into `table[is_reply][state][event]`, total over all states and events.

    ValueError if a cell has two rows, a row uses a word of another machine, or no chain of rows
    leads from the `initial` states to a row's state.
    """
    cells = cells_of(rows)

    def outcome(direction: Direction, state: State, event: Event) -> Becomes[State]:
        row = cells.get((direction, state, event))
        becomes = otherwise if row is None else row.becomes
        return state if becomes is STAY else becomes  # type: ignore[return-value]  # as checked

    _refuse_foreign_words(rows, states, events)
    _refuse_unreachable(rows, set(initial))
    return tuple(
        tuple(tuple(outcome(direction, state, event) for event in events) for state in states)
        for direction in BOTH
    )


def cells_of(rows: tuple[Row, ...]) -> dict[Cell, Row]:
    """Map each cell to its row; ValueError if two rows claim one cell."""
    cells: dict[Cell, Row] = {}
    for row in rows:
        for direction in row.directions:
            cell = (direction, row.state, row.event)
            if cell in cells:
                msg = f"two rows for {row.state.name} {direction.name} {row.event.name}"
                raise ValueError(msg)
            cells[cell] = row
    return cells


def _refuse_foreign_words(rows: tuple[Row, ...], states: type, events: type) -> None:
    for row in rows:
        for word, kinds in (
            (row.state, (states,)),
            (row.event, (events,)),
            (row.becomes, (states, NoTransition)),
        ):
            if not isinstance(word, kinds):
                msg = f"{word!r} is not one of {kinds[0].__name__}"
                raise ValueError(msg)  # noqa: TRY004 - rows are data: a wrong value, not a type


def _refuse_unreachable(rows: tuple[Row, ...], reached: set[IntEnum]) -> None:
    pending = {row.state for row in rows} - reached
    while pending:
        news = {row.becomes for row in rows if row.state in reached} & pending
        if not news:
            msg = f"nothing leads to {', '.join(sorted(state.name for state in pending))}"
            raise ValueError(msg)
        reached |= news  # type: ignore[arg-type]  # a subset of pending: states only
        pending -= news
