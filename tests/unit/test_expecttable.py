"""Expectations: what may be announced, what fits, and when they go."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, packed, tcp, udp
from statefulinspect import Direction, Reason, Tracker
from statefulinspect.expectation import Expectation
from statefulinspect.expecttable import MASTERS_AT_MOST, SWEEP_AT_MOST, ExpectationTable
from statefulinspect.flowkey import FlowKey
from statefulinspect.helpers.model import Policy
from statefulinspect.helpers.statements import Announce
from statefulinspect.zones import NO_ZONE, Zone

TCP, UDP = 6, 17
HERE, THERE = packed(CLIENT), packed(SERVER)


class Reader:
    """A helper as far as the table needs one."""

    name = "reader"
    policies = {"": Policy(2, 300.0), "media": Policy(1, 60.0)}  # noqa: RUF012 - read only


def master(port=21, zone=0):
    return Tracker().process(tcp(port, 21, "SYN"), 0.0, zone=zone).connection


def expected(control, port=1025, **changes):
    given = {"source": THERE, "kind": "", **changes}
    return Expectation(Announce(TCP, HERE, port, **given), control, Reader())


def key(source=THERE, sport=20, destination=HERE, dport=1025):
    return source + destination + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")


@pytest.fixture
def table():
    table = ExpectationTable(4096)
    yield table
    table.check()


def test_the_first_that_fits_uses_it_up(table):
    one = expected(master())
    assert table.announce(one, 0.0) is Reason.OK
    assert len(table) == 1
    assert table.take(NO_ZONE, FlowKey(TCP, key()), 1.0) is one
    assert table.take(NO_ZONE, FlowKey(TCP, key()), 1.0) is None
    assert len(table) == 0


def test_who_has_too_many_masters_announces_nothing(table):
    """Each keeps its own alive, so a chain of them would grow without end."""
    connection = master()
    for _ in range(MASTERS_AT_MOST):
        assert table.announce(expected(connection), 0.0) is Reason.OK
        child = master()
        child.master, connection = connection, child
        table.remove_of(child.master)
    assert table.announce(expected(connection), 0.0) is Reason.EXPECTATIONS_FULL


@pytest.mark.parametrize(("now", "is_found"), [(300.9, True), (301.0, False), (999.0, False)])
def test_it_holds_until_its_time_is_up(table, now, is_found):
    one = expected(master())
    table.announce(one, 1.0)
    one.master.expires_at = 1000.0
    assert (table.find(NO_ZONE, FlowKey(TCP, key()), now) is one) == is_found
    one.master.expires_at = now
    assert table.find(NO_ZONE, FlowKey(TCP, key()), now) is None


@pytest.mark.parametrize(
    ("zone", "protocol", "wire"),
    [
        (NO_ZONE, UDP, key()),
        (Zone.of(5), TCP, key()),
        (NO_ZONE, TCP, key(dport=1026)),
        (NO_ZONE, TCP, key(destination=THERE)),
        (NO_ZONE, TCP, key(source=HERE)),
    ],
)
def test_what_does_not_fit(table, zone, protocol, wire):
    table.announce(expected(master()), 0.0)
    assert table.take(zone, FlowKey(protocol, wire), 1.0) is None


@pytest.mark.parametrize("way", [None, Direction.ORIGINAL, Direction.REPLY])
def test_of_a_zone_the_number_counts_not_the_direction_that_it_holds_for(table, way):
    """As Linux compares them: also for what clashes, and what is withdrawn."""
    one, flow = expected(master(zone=5), source_port=7), FlowKey(TCP, key(sport=7))
    table.announce(one, 0.0)
    assert table.find(Zone.of(5, way), flow, 1.0) is one
    assert table.find(Zone.of(6, way), flow, 1.0) is None
    table.withdraw(Zone.of(5, way), flow)
    assert len(table) == 0


def test_what_does_not_matter_is_not_compared(table):
    table.announce(expected(master(), source=None), 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key(source=bytes(4), sport=9)), 1.0) is not None


def test_a_source_port_may_be_told(table):
    table.announce(expected(master(), source_port=2000), 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key(sport=2001)), 1.0) is None
    assert table.take(NO_ZONE, FlowKey(TCP, key(sport=2000 - 256)), 1.0) is None
    assert table.take(NO_ZONE, FlowKey(TCP, key(sport=2000)), 1.0) is not None


def test_a_network_may_be_told(table):
    table.announce(expected(master(), source=THERE, source_mask=bytes([255, 255, 0, 0])), 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key(source=packed("10.1.2.2"))), 1.0) is None
    assert table.take(NO_ZONE, FlowKey(TCP, key(source=packed("10.0.9.9"))), 1.0) is not None


def test_a_permanent_one_stays(table):
    table.announce(expected(master(), is_permanent=True), 0.0)
    for _ in range(3):
        assert table.take(NO_ZONE, FlowKey(TCP, key()), 1.0) is not None


def test_an_inactive_one_waits(table):
    one = expected(master())
    one.is_inactive = True
    table.announce(one, 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key()), 1.0) is None
    one.is_inactive = False
    assert table.take(NO_ZONE, FlowKey(TCP, key()), 1.0) is one


def test_it_serves_until_its_deadline(table):
    table.announce(expected(master()), 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key()), 300.0) is None
    control = master()
    control.expires_at = 1000.0
    table.announce(expected(control, 1026), 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key(dport=1026)), 299.9) is not None


def test_it_serves_while_its_master_lives(table):
    control = master()
    control.expires_at = 10.0
    table.announce(expected(control), 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key()), 10.0) is None


def test_the_same_again_takes_the_place_of_the_old(table):
    control = master()
    first, again = expected(control), expected(control)
    table.announce(first, 0.0)
    assert table.announce(again, 100.0) is Reason.OK
    assert list(table) == [again]
    assert again.expires_at == 400.0


def test_the_same_of_another_kind_or_master_is_told_already_if_it_may_be(table):
    control = master()
    first = expected(control)
    table.announce(first, 0.0)
    for by, kind in ((control, "media"), (master(22), "")):
        again = expected(by, kind=kind, may_be_known=True)
        assert table.announce(again, 1.0) is Reason.OK
        assert not table.holds(again)
        strict = expected(by, kind=kind)
        assert table.announce(strict, 1.0) is Reason.EXPECTATION_CLASH
    assert list(table) == [first]
    assert table.holds(first)


def test_what_may_be_known_must_be_exactly_that(table):
    table.announce(expected(master()), 0.0)
    wider = expected(master(22), source=None, may_be_known=True)
    assert table.announce(wider, 1.0) is Reason.EXPECTATION_CLASH


def test_the_first_of_a_group_withdraws_the_others(table):
    control = master()
    there, back = expected(control, group="call"), expected(control, 1026, group="call")
    alone, foreign = expected(control, 1027), expected(master(22), 1028, group="call")
    for each in (there, back, alone, foreign):
        table.announce(each, 0.0)
    assert table.take(NO_ZONE, FlowKey(TCP, key(dport=1026)), 1.0) is back
    assert list(table) == [alone, foreign]


def test_what_is_withdrawn_is_exactly_one_flow(table):
    one = expected(master(), source_port=7)
    table.announce(one, 0.0)
    for zone, flow in (
        (Zone.of(5), FlowKey(TCP, key(sport=7))),
        (NO_ZONE, FlowKey(TCP, key(sport=8))),
        (NO_ZONE, FlowKey(TCP, key(sport=7, source=HERE))),
        (NO_ZONE, FlowKey(UDP, key(sport=7))),
    ):
        table.withdraw(zone, flow)
        assert list(table) == [one]
    table.withdraw(NO_ZONE, FlowKey(TCP, key(sport=7)))
    assert list(table) == []


@pytest.mark.parametrize("changes", [{}, {"source": None}, {"source_port": 20}])
def test_another_master_may_not_announce_what_overlaps(table, changes):
    table.announce(expected(master()), 0.0)
    other = expected(master(22), **changes)
    assert table.announce(other, 1.0) is Reason.EXPECTATION_CLASH


@pytest.mark.parametrize(
    "changes", [{"port": 1026}, {"source": HERE}, {"control": master(22, zone=5)}]
)
def test_but_what_no_connection_could_mistake(table, changes):
    table.announce(expected(master()), 0.0)
    other = expected(**{"control": master(22), **changes})
    assert table.announce(other, 1.0) is Reason.OK


def test_two_source_ports_are_two_connections(table):
    table.announce(expected(master(), source_port=20), 0.0)
    assert table.announce(expected(master(22), source_port=21), 0.0) is Reason.OK


def test_what_has_expired_is_in_nobodys_way(table):
    table.announce(expected(master()), 0.0)
    assert table.announce(expected(master(22)), 300.0) is Reason.OK
    assert len(table) == 1


def test_one_more_than_allowed_takes_the_place_of_the_oldest_of_its_kind(table):
    control = master()
    for port in (1025, 1026):
        table.announce(expected(control, port), 0.0)
    table.announce(expected(control, 2000, kind="media"), 0.0)
    table.announce(expected(control, 1027), 0.0)
    assert [each.destination_port for each in table.of(control)] == [1026, 2000, 1027]


def test_an_announcement_sweeps_out_what_has_expired(table):
    for port in range(100):
        table.announce(expected(master(port), 2000 + port), 0.0)
    kept = expected(master(200))
    table.announce(kept, 1000.0)
    assert len(table) == 1 + 100 - SWEEP_AT_MOST
    table.announce(expected(master(201), 1026), 1000.0)
    assert len(table) == 2


def test_there_is_an_end_to_it():
    table = ExpectationTable(2)
    for port in (1025, 1026):
        assert table.announce(expected(master(port), port), 0.0) is Reason.OK
    assert table.announce(expected(master(), 1027), 0.0) is Reason.EXPECTATIONS_FULL


def test_expectations_go_with_their_master_all_or_by_kind(table):
    control = master()
    table.announce(expected(control), 0.0)
    table.announce(expected(control, 2000, kind="media"), 0.0)
    table.announce(expected(master(22), 3000), 0.0)
    table.remove_of(control, ("media",))
    assert [each.destination_port for each in table] == [1025, 3000]
    table.remove_of(control)
    assert [each.destination_port for each in table] == [3000]
    assert table.of(control) == []


def test_time_takes_them(table):
    table.announce(expected(master()), 0.0)
    table.expire(300.5, 10)
    assert len(table) == 1
    table.expire(301.0, 10)
    assert len(table) == 0


def test_the_lines_of_the_tools():
    """As conntrack -L expect and /proc/net/nf_conntrack_expect write them."""
    control = Tracker().process(tcp(30001, 21, "SYN"), 0.0).connection
    one = expected(control)
    one.expires_at = 299.5
    mask = "255.255.255.255"
    assert one.to_conntrack(0.0) == (
        f"299 proto=6 src={SERVER} dst={CLIENT} sport=0 dport=1025 mask-src={mask} mask-dst={mask} "
        f"sport=0 dport=65535 master-src={CLIENT} master-dst={SERVER} sport=30001 dport=21 "
        "class=0 helper=reader"
    )
    assert one.to_proc(0.0) == (
        f"299 l3proto = 2 proto=6 src={SERVER} dst={CLIENT} sport=0 dport=1025 reader"
    )
    assert repr(one).startswith("Expectation(proto=6 src=10.0.2.2 dst=10.0.1.2 ")


def test_flags_and_kinds_are_told():
    announced = Announce(
        UDP, packed(CLIENT6), 5070, source=packed(SERVER6), kind="media", is_permanent=True
    )
    one = Expectation(announced, master(), Reader(), expires_at=180.0, is_inactive=True)
    assert " PERMANENT,INACTIVE class=1 helper=reader" in one.to_conntrack(0.0)
    full = "fd00:0001:0000:0000:0000:0000:0000:0002"
    assert one.to_proc(0.0) == (
        f"180 l3proto = 10 proto=17 src=fd00:0002:0000:0000:0000:0000:0000:0002 dst={full} "
        "sport=0 dport=5070 PERMANENT,INACTIVE reader/media"
    )
    assert one.is_inactive


def test_any_source_is_shown_as_zero():
    one = expected(master(), source=None)
    one.expires_at = 300.0
    assert "src=0.0.0.0 " in one.to_proc(0.0)
    assert "mask-src=0.0.0.0 " in one.to_conntrack(0.0)


def test_activating_is_by_kind(table):
    control = master()
    ones = [expected(control), expected(control, 2000, kind="media")]
    for one in ones:
        one.is_inactive = True
        table.announce(one, 0.0)
    table.activate(control, "media", 90.0)
    assert [(one.is_inactive, one.expires_at) for one in ones] == [(True, 300.0), (False, 90.0)]


def test_gre_is_told_by_its_keys():
    control = master()
    announced = Announce(47, HERE, 34, source=THERE, source_port=17)
    one = Expectation(announced, control, Reader(), expires_at=300.0)
    assert one.to_conntrack(0.0).split(" master-src")[0] == (
        "300 proto=47 src=10.0.2.2 dst=10.0.1.2 srckey=0x11 dstkey=0x22 "
        "mask-src=255.255.255.255 mask-dst=255.255.255.255 srckey=0xffff dstkey=0xffff"
    )
    assert "srckey=0x11 dstkey=0x22" in one.to_proc(0.0)


def test_the_same_may_be_known_to_another_master(table):
    first, other = expected(master()), master(22)
    table.announce(first, 0.0)
    assert not table.is_known(expected(first.master), 1.0)
    assert table.is_known(expected(other), 1.0)
    assert not table.is_known(expected(other), 300.0)
    for changes in ({"kind": "media"}, {"source": HERE}, {"port": 1026}):
        assert not table.is_known(expected(other, **changes), 1.0)
    over_udp = Tracker().process(udp(22, 21), 0.0).connection
    assert not table.is_known(expected(over_udp), 1.0)


def test_what_may_be_known_is_told_already(table):
    control = master()
    first = expected(control)
    table.announce(first, 0.0)
    for again in (
        expected(control, kind="media", may_be_known=True),
        expected(master(22), may_be_known=True),
        expected(master(22), kind="media", may_be_known=True),
    ):
        assert table.announce(again, 1.0) is Reason.OK
        assert list(table) == [first]
    wider = expected(control, kind="media", may_be_known=True, source=None)
    assert table.announce(wider, 1.0) is Reason.EXPECTATION_CLASH
