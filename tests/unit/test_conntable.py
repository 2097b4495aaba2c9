"""Connections are found by either key, until they are removed."""

from __future__ import annotations

import copy
from ipaddress import ip_address

import pytest

from builders import CLIENT, SERVER, TCP, UDP
from statefulinspect.conntable import ConnTable
from statefulinspect.flowkey import reverse
from statefulinspect.folded import Unreplied
from statefulinspect.linking import connect
from statefulinspect.terms import ORIGINAL, REPLY
from statefulinspect.zones import NO_ZONE, Zone

ZONE_5 = Zone.of(5)
ORIGINAL_5, REPLY_5 = Zone.of(5, ORIGINAL), Zone.of(5, REPLY)
ALL_ZONES = [NO_ZONE, ZONE_5, ORIGINAL_5, REPLY_5, Zone(5, 7), Zone(7, 5), Zone.of(7)]


def key(sport=1000, dport=53, source=CLIENT, destination=SERVER):
    addresses = ip_address(source).packed + ip_address(destination).packed
    return addresses + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")


def connection_of(wire, *, zone=NO_ZONE, protocol=UDP, at=0.0, expires_at=30.0):
    connection = connect(protocol, wire, reverse(protocol, wire), None, at, zone)
    connection.expires_at = expires_at
    return connection


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


def test_who_talks_to_itself_in_both_directions_of_a_zone_is_found_as_ever():
    """Also while a zone of one direction shuts the short way to it."""
    connection = connection_of(TO_ITSELF)
    table = table_of(connection, connection_of(key(), zone=ORIGINAL_5))
    assert table.find(NO_ZONE, UDP, TO_ITSELF) is connection.reply_side


@pytest.mark.parametrize("zone", ALL_ZONES)
@pytest.mark.parametrize("others", [[], [ORIGINAL_5]], ids=["alone", "beside one of a direction"])
@pytest.mark.parametrize("place", ALL_ZONES)
def test_each_direction_is_looked_for_in_its_own_zone(place, others, zone):
    connection = connection_of(key(), zone=place)
    table = table_of(connection, *(connection_of(key(9), zone=each) for each in others))
    original, reply = (table.find(zone, UDP, wire) for wire in (key(), reverse(UDP, key())))
    assert original is (connection.original_side if zone.original == place.original else None)
    assert reply is (connection.reply_side if zone.reply == place.reply else None)


@pytest.mark.parametrize("newer", [0, 1])
def test_of_two_in_the_same_zone_the_newer_is_found(newer):
    """One has the key as its original, the other as its reply; both stand in zone 0 there."""
    ages = [0.0, 0.0]
    ages[newer] = 1.0
    forth = connection_of(key(), zone=REPLY_5, at=ages[0])
    back = connection_of(reverse(UDP, key()), zone=ORIGINAL_5, at=ages[1])
    table = table_of(forth, back)
    sides = [forth.original_side, back.reply_side]
    assert table.candidates(NO_ZONE, UDP, key(), 0.0) == [sides[newer], sides[not newer]]
    assert table.find(NO_ZONE, UDP, key()) is sides[newer]


@pytest.mark.parametrize("ages", [(0.0, 1.0), (1.0, 0.0)])
def test_of_two_in_several_zones_that_of_the_original_is_found(ages):
    forth = connection_of(key(), zone=ORIGINAL_5, at=ages[0])
    back = connection_of(reverse(UDP, key()), zone=Zone(3, 7), at=ages[1])
    table = table_of(forth, back)
    assert table.candidates(Zone(5, 7), UDP, key(), 0.0) == [forth.original_side, back.reply_side]


@pytest.mark.parametrize("zone", [NO_ZONE, ORIGINAL_5])
def test_who_is_past_the_deadline_is_not_found(zone):
    side = connection_of(key(), zone=zone, expires_at=30.0).original_side
    table = table_of(side.connection)
    for now, found in ((29.9, [side]), (30.0, []), (31.0, [])):
        assert table.candidates(zone, UDP, key(), now) == found
        assert table.find(zone, UDP, key(), now) is (found[0] if found else None)
    assert table.find(zone, UDP, key()) is side


def test_those_of_one_direction_are_listed_once_after_the_others_by_their_original_zones():
    zones = [ORIGINAL_5, Zone(6, 0), ORIGINAL_5, REPLY_5]
    split = [connection_of(key(port), zone=zone) for port, zone in enumerate(zones)]
    whole = [connection_of(key(port), zone=zone) for port, zone in ((9, NO_ZONE), (2, ZONE_5))]
    table = table_of(*split, *whole)
    first, second, third, fourth = split
    assert list(table) == list(table.holders()) == [*whole, first, third, second, fourth]


def test_in_zones_of_both_directions_nobody_rivals_for_a_reply_alone():
    connection = connection_of(key())
    assert table_of().rival_zone(connection) is None
    assert table_of(connection_of(key(9), zone=ORIGINAL_5)).rival_zone(connection) is NO_ZONE


@pytest.mark.parametrize("number", [1, 2, 65_534, 65_535])
def test_only_a_reply_rivals_for_a_reply_in_a_zone_of_one_direction(number):
    connection = connection_of(key(), zone=Zone.of(5, REPLY))
    wire = connection.reply_side.key
    original = connection_of(wire, zone=Zone.of(number, ORIGINAL))
    table = table_of(original)
    assert table.find(table.rival_zone(connection), UDP, wire) is None
    rival = connection_of(key(), zone=Zone(number, 5))
    table.enter(rival)
    assert table.find(table.rival_zone(connection), UDP, wire) is rival.reply_side


@pytest.mark.parametrize("zone", ALL_ZONES)
def test_it_holds_what_was_entered_and_not_removed(zone):
    connection, same = (connection_of(key(), zone=zone) for _ in range(2))
    table = table_of(connection)
    assert table.holds(connection)
    assert not table.holds(same)
    twin = copy.copy(connection)
    twin.reply_side = connection.reply_side
    assert not table.holds(twin)
    copied_side = copy.copy(connection.reply_side)
    copied_side.connection, twin.reply_side = twin, copied_side
    assert not table.holds(twin)


class MakesConnections:
    """What an `Unreplied` comes from."""

    def __init__(self, table):
        self.table = table
        self.detached = self

    def unfold(self, unreplied, reply_key):
        connection = connect(TCP, unreplied.key, reply_key, None, 0.0, NO_ZONE)
        connection.expires_at = unreplied.expires_at
        self.table.replace(unreplied, connection)
        return connection


def unreplied_in(table, port):
    unreplied = Unreplied(key(port), MakesConnections(table), 0.0, 30.0, 40, 1, 1, 0, 0)
    unreplied.older = unreplied  # it stands in line
    table.sides(0, TCP)
    table.enter_unreplied(unreplied)
    table.check()
    return unreplied


def test_what_is_unreplied_is_listed_as_a_connection_among_the_others():
    table = table_of(connection_of(key(), protocol=TCP))
    opened = [unreplied_in(table, port) for port in (7, 8)]
    first, *others = table
    assert first.original_side.key == key()
    assert others == [each.connection for each in opened]
    table.check()
    assert len(table) == 3


def test_what_is_unreplied_is_found_by_either_key_of_its_own_zone_and_protocol():
    for wire, name in ((key(7), "original_side"), (reverse(TCP, key(7)), "reply_side")):
        table = table_of(connection_of(key(9)), connection_of(wire, zone=ZONE_5, protocol=TCP))
        opened = unreplied_in(table, 7)
        table.sides(5, UDP)
        for zone, protocol in ((NO_ZONE, UDP), (ZONE_5, UDP), (NO_ZONE, 136)):
            assert table.find(zone, protocol, wire) is None
        assert table.find(ZONE_5, TCP, reverse(TCP, key(8))) is None
        assert table.find(NO_ZONE, TCP, reverse(TCP, key(8))) is None
        assert table.find(ZONE_5, TCP, wire).connection.zones == ZONE_5
        table.check()
        assert opened.is_tracked
        assert table.find(NO_ZONE, TCP, wire) is getattr(opened.connection, name)
        table.check()


def test_what_is_unreplied_is_not_seen_from_another_zone():
    table = table_of(connection_of(key(8), zone=ZONE_5, protocol=TCP))
    unreplied_in(table, 7)
    assert table.find(ZONE_5, TCP, reverse(TCP, key(7))) is None
    assert Unreplied in map(type, table.holders())


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
