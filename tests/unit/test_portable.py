"""Verdicts and connections go from process to process; trackers stay."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest

from builders import CLIENT, SERVER, gre, icmp, sctp, tcp, udp
from statefulinspect import Tracker, Verdict
from statefulinspect.line import Link
from statefulinspect.portable import Portable

BACK = {"source": SERVER, "destination": CLIENT}
TALKS = {
    "a SYN": [tcp(flags="SYN", seq=0)],
    "a flood": [tcp(2000 + number, flags="SYN", seq=0) for number in range(20)],
    "established": [
        tcp(flags="SYN", seq=0),
        tcp(80, 1000, "SYN,ACK", 0, 1, **BACK),
        tcp(seq=1, ack=1, data=b"in order"),
    ],
    "a helper's": [tcp(1000, 21, "SYN", 0), tcp(21, 1000, "SYN,ACK", 0, 1, **BACK)],
    "udp": [udp(), udp(53, 1000, **BACK)],
    "icmp": [icmp(8)],
    "sctp": [sctp("INIT/4")],
    "gre": [gre(5)],
    "nothing": [b""],
}
copies = pytest.mark.parametrize(
    "copied", [lambda each: pickle.loads(pickle.dumps(each)), copy.deepcopy, copy.copy]
)


@copies
@pytest.mark.parametrize("packets", TALKS.values(), ids=TALKS)
def test_a_verdict_is_copied_with_its_connection(packets, copied):
    tracker = Tracker()
    verdict = tracker.process_many(packets, 1.0)[-1]
    twin = copied(verdict)
    for field in attrs.fields(Verdict):
        if field.name != "connection":
            assert getattr(twin, field.name) == getattr(verdict, field.name)
    if verdict.connection is not None:
        assert twin.connection.listing(2.0) == verdict.connection.listing(2.0)
    tracker.check()


@copies
def test_a_copied_connection_is_tracked_by_nobody(copied):
    tracker = Tracker()
    verdicts = tracker.process_many([udp(1000 + number) for number in range(3)], 1.0)
    with pytest.raises(ValueError, match="is not tracked here"):
        tracker.delete(copied(verdicts[1].connection))
    assert len(tracker) == 3
    tracker.check()


@copies
def test_a_copy_has_links_and_rare_fields_of_its_own(copied):
    connection = Tracker().process(udp(), 1.0).connection
    connection.labels = 1
    twin = copied(connection)
    assert twin.original_side.other.connection is twin
    twin.labels = 7
    assert connection.labels == 1


@copies
def test_what_is_not_set_any_more_is_not_in_a_copy_either(copied):
    tracker = Tracker()
    connection = tracker.process(udp(), 1.0).connection
    tracker.flush()
    twin = copied(connection)
    assert twin.listing(2.0) == connection.listing(2.0)
    assert not hasattr(twin.original_side, "connection")


def kinds(cls):
    return [each for kind in cls.__subclasses__() for each in (kind, *kinds(kind))]


def test_no_class_writes_a_state_of_its_own():
    """Classes of attrs with slots do, unless they are told not to."""
    own = {each for each in kinds(Portable) if "__getstate__" in vars(each)}
    assert own == {Link}


def test_thousands_of_others_do_not_come_along():
    verdicts = Tracker().process_many([udp(1000 + number) for number in range(5000)], 1.0)
    assert len(pickle.dumps(verdicts[2500])) < 2000


@copies
def test_a_tracker_is_not_copied(copied):
    with pytest.raises(TypeError, match="a tracker cannot be copied or pickled"):
        copied(Tracker())
