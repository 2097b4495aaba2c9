"""Whether everything that a tracker keeps agrees with everything else: for tests."""

from __future__ import annotations

from statefulinspect.connection import NO_NUMBER, Connection, Side
from statefulinspect.defragment import Defragmenter
from statefulinspect.judge import Judge
from statefulinspect.machines.side_flags import HIGHEST_ACK_KNOWN
from statefulinspect.machines.tcp_table import ESTABLISHED
from statefulinspect.machines.tcp_window import ack_span


def check(judge: Judge, defragmenter: Defragmenter) -> None:
    """Assert every invariant of the structures, and of the connections in them."""
    judge.table.check()
    judge.expectations.check()
    judge.lookup.keys.check()
    judge.capacity.check()
    for table in defragmenter.tables.values():
        table.check()
    judge.wheel.check()
    for connection in judge.table.holders():
        assert connection.filed_at <= connection.expires_at, "filed after its deadline"
        if isinstance(connection, Connection):
            _check_connection(connection)
    assert judge.wheel.count() == len(judge.table), "the wheel holds others than the table"


def _check_connection(connection: Connection) -> None:
    assert connection.is_assured <= connection.seen_reply, "assured without a reply"
    for side in (connection.original_side, connection.reply_side):
        if side.next_seq != NO_NUMBER:
            assert side.next_seq == side.end, "the hot path expects a wrong number"
            _check_settled(connection, side)
            _check_settled(connection, side.other)


def _check_settled(connection: Connection, side: Side) -> None:
    """Assert what the hot path relies on; see `tcp_prediction`."""
    assert connection.state is ESTABLISHED, "the hot path has a connection in another state"
    assert connection.is_assured, "the hot path has a connection that is not assured"
    assert not connection.repeats, "the hot path has a connection with repetitions"
    assert side.flags & HIGHEST_ACK_KNOWN, "the hot path has a side that never acknowledged"
    other = side.other
    farthest = other.highest_ack + ack_span(other)
    assert other.highest_ack <= side.end <= side.max_end <= farthest, "numbers out of their order"
    assert side.max_window > 0, "the hot path has a side without a window"
