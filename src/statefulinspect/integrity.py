"""Whether everything that a tracker keeps agrees with everything else: for tests."""

from __future__ import annotations

from statefulinspect.connection import NEVER, Connection
from statefulinspect.defragment import Defragmenter
from statefulinspect.judge import Judge


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
        assert side.next_seq == NEVER or not side.next_seq - side.end, (
            "the hot path expects a wrong number"
        )
