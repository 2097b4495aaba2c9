"""Connections are found by either key, until they are removed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from builders import CLIENT, SERVER, UDP
from statefulinspect.conntable import ConnTable
from statefulinspect.flowkey import reverse
from statefulinspect.linking import connect
from statefulinspect.terms import ORIGINAL
from statefulinspect.zones import NO_ZONE, Zone

ZONE_5 = Zone.of(5)


def key(sport=1000, dport=53, source=CLIENT, destination=SERVER):
    addresses = ip_address(source).packed + ip_address(destination).packed
    return addresses + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")


def connection_of(wire, *, zone=NO_ZONE, protocol=UDP):
    return connect(protocol, wire, reverse(protocol, wire), None, 0.0, zone)


def table_of(*connections):
    table = ConnTable()
    for connection in connections:
        table.enter(connection)
    table.check()
    return table


TO_ITSELF = key(7, 7, CLIENT, CLIENT)


@pytest.mark.parametrize("zone", [Zone(0, 7), Zone(7, 0)])
def test_who_talks_to_itself_is_found_in_the_zone_of_either_direction(zone):
    """As in Linux; where the zone holds for both, it is the reply side that is found."""
    connection = connection_of(TO_ITSELF)
    table = table_of(connection)
    assert table.find(NO_ZONE, UDP, TO_ITSELF) is connection.reply_side
    found = table.find(zone, UDP, TO_ITSELF)
    assert found is (connection.original_side if zone.original == 0 else connection.reply_side)
    assert table.find(Zone(7, 8), UDP, TO_ITSELF) is None


def test_an_empty_table():
    table = table_of()
    assert len(table) == 0
    assert list(table) == []
    assert table.find(NO_ZONE, UDP, key()) is None


def test_either_key_leads_to_its_side():
    connection = connection_of(key())
    table = table_of(connection)
    assert table.find(NO_ZONE, UDP, key()) is connection.original_side
    assert table.find(NO_ZONE, UDP, reverse(UDP, key())) is connection.reply_side
    assert table.find(NO_ZONE, UDP, key(1001)) is None
    assert len(table) == 1


def test_zones_and_protocols_are_tables_of_their_own():
    here, there = connection_of(key()), connection_of(key(), zone=ZONE_5)
    lite = connection_of(key(), protocol=136)
    table = table_of(here, there, lite)
    assert table.find(NO_ZONE, UDP, key()).connection is here
    assert table.find(ZONE_5, UDP, key()).connection is there
    assert table.find(NO_ZONE, 136, key()).connection is lite
    assert table.find(ZONE_5, 136, key()) is None
    assert len(table) == 3


def test_a_host_that_talks_to_itself_from_one_port_finds_the_reply_side():
    connection = connection_of(TO_ITSELF)
    table = table_of(connection)
    assert table.find(NO_ZONE, UDP, TO_ITSELF) is connection.reply_side
    assert list(table) == [connection]
    table.remove(connection)
    table.check()
    assert table.find(NO_ZONE, UDP, TO_ITSELF) is None
    assert len(table) == 0


def test_removed_from_both_keys():
    connection, other = connection_of(key()), connection_of(key(1001))
    table = table_of(connection, other)
    table.remove(connection)
    table.check()
    assert table.find(NO_ZONE, UDP, key()) is table.find(NO_ZONE, UDP, reverse(UDP, key())) is None
    assert list(table) == [other]


def test_a_removed_connection_holds_no_cycle():
    connection = connection_of(key())
    table = table_of(connection)
    table.remove(connection)
    for side in (connection.original_side, connection.reply_side):
        assert not hasattr(side, "connection")
        assert not hasattr(side, "other")


def test_the_order_is_that_of_entry_within_a_table():
    connections = [connection_of(key(port)) for port in (9, 3, 7)]
    assert list(table_of(*connections)) == connections


def test_the_dict_of_a_zone_is_kept():
    table = ConnTable()
    sides = table.sides(0, UDP)
    connection = connection_of(key())
    table.enter(connection)
    assert sides[key()] is connection.original_side
    table.remove(connection)
    assert table.sides(0, UDP) is sides
    assert sides == {}


def test_looking_makes_no_table():
    table = ConnTable()
    for zone in (NO_ZONE, ZONE_5, Zone.of(9, ORIGINAL)):
        assert table.find(zone, UDP, key()) is None
    assert table._whole == table.split_sides == {}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda sides, _: sides.pop(key()), "counted twice or not at all"),
        (lambda sides, c: sides.update({reverse(UDP, key()): c.original_side}), "leads elsewhere"),
        (lambda sides, c: sides.update({b"foreign": c.reply_side}), "under a foreign key"),
        (lambda _, c: setattr(c.original_side, "other", c.original_side), "not each other's"),
        (lambda _, c: setattr(c.reply_side, "other", c.reply_side), "not each other's"),
    ],
)
def test_check_notices(damage, message):
    connection = connection_of(key())
    table = table_of(connection)
    damage(table.sides(0, UDP), connection)
    with pytest.raises(AssertionError, match=message):
        table.check()
