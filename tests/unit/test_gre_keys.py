"""GRE keys: which source key a packet gets, whose word counts, and when it is forgotten."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, gre, ip, packed, tcp
from statefulinspect import Tracker
from statefulinspect.decoding import decode
from statefulinspect.flowkey import reverse
from statefulinspect.helpers.gre_keys import GreKeys
from statefulinspect.helpers.statements import MapKey

THERE = {"source": CLIENT, "destination": SERVER}
BACK = {"source": SERVER, "destination": CLIENT}


def control(port=1001):
    return Tracker().process(tcp(port, 1723, "SYN"), 0.0).connection


def call(client_id, server_id, client=CLIENT, server=SERVER):
    a, b = packed(client), packed(server)
    return MapKey(a, b, server_id, client_id), MapKey(b, a, client_id, server_id)


def keys_of(keys, call_id, way):
    """Source key and call id of a packet's key."""
    key = keys.complete(decode(gre(call_id, **way)))
    return int.from_bytes(key[-4:-2], "big"), int.from_bytes(key[-2:], "big")


@pytest.fixture
def keys():
    made = GreKeys()
    yield made
    made.check()


def test_without_keys_a_packet_keeps_its_key(keys):
    packet = decode(gre(0x22))
    assert keys.complete(packet) == packet.key
    assert len(keys) == 0


def test_both_directions_become_one_flow(keys):
    assert keys.map(control(), call(0x11, 0x22))
    there, back = decode(gre(0x22, **THERE)), decode(gre(0x11, **BACK))
    assert keys.complete(there) == packed(CLIENT) + packed(SERVER) + b"\0\x11\0\x22"
    assert keys.complete(back) == reverse(47, keys.complete(there))
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("call_id", "way"), [(0x11, THERE), (0x22, BACK), (0x23, THERE), (0, THERE)]
)
def test_other_calls_keep_their_keys(keys, call_id, way):
    keys.map(control(), call(0x11, 0x22))
    assert keys_of(keys, call_id, way) == (0, call_id)


@pytest.mark.parametrize(
    "header",
    ["0000880b00000000", "2001880b000000", "2005880b00000000", ""],
    ids=["version 0", "cut short", "version 5", "empty"],
)
def test_call_id_zero_is_not_taken_for_no_call_id(keys, header):
    keys.map(control(), call(0x33, 0))
    packet = decode(ip(CLIENT, SERVER, 47, bytes.fromhex(header)))
    assert keys.complete(packet) == packet.key
    assert keys_of(keys, 0, THERE) == (0x33, 0)


def test_other_protocols_keep_their_keys(keys):
    keys.map(control(), call(0x11, 80))
    packet = decode(tcp(0, 80))
    assert keys.complete(packet) == packet.key


def test_what_is_no_packet_has_no_key(keys):
    keys.map(control(), call(0x11, 0x22))
    assert keys.complete(decode(b"")) is None


def test_the_same_call_again_changes_nothing(keys):
    owner = control()
    assert keys.map(owner, call(0x11, 0x22))
    assert keys.map(owner, call(0x11, 0x22))
    assert keys_of(keys, 0x22, THERE) == (0x11, 0x22)


def test_another_call_of_the_same_owner_is_refused(keys):
    owner = control()
    keys.map(owner, call(0x11, 0x22))
    assert not keys.map(owner, call(0x11, 0x44))
    assert not keys.map(owner, call(0x33, 0x44))
    assert keys_of(keys, 0x22, THERE) == (0x11, 0x22)
    assert keys_of(keys, 0x44, THERE) == (0, 0x44)


def test_a_call_that_begins_like_the_mapped_one_undoes_it(keys):
    owner = control()
    keys.map(owner, call(0x11, 0x22))
    assert not keys.map(owner, call(0x33, 0x22))
    assert keys_of(keys, 0x22, THERE) == (0, 0x22)
    assert len(keys) == 0
    assert keys.map(owner, call(0x33, 0x22))


def test_of_two_owners_the_first_counts_while_it_is_there(keys):
    first, second = control(1001), control(1002)
    keys.map(first, call(0x11, 0x22))
    keys.map(second, call(0x11, 0x44))
    assert keys_of(keys, 0x11, BACK) == (0x22, 0x11)
    keys.unmap(first)
    assert keys_of(keys, 0x11, BACK) == (0x44, 0x11)
    assert keys_of(keys, 0x22, THERE) == (0, 0x22)
    keys.unmap(second)
    assert keys_of(keys, 0x11, BACK) == (0, 0x11)


def test_a_host_may_call_itself_by_one_id(keys):
    owner = control()
    assert keys.map(owner, call(7, 7, CLIENT, CLIENT))
    assert keys_of(keys, 7, {"source": CLIENT, "destination": CLIENT}) == (7, 7)
    keys.check()
    keys.unmap(owner)
    assert len(keys) == 0


def test_who_mapped_nothing_may_be_unmapped(keys):
    keys.unmap(control())
    assert len(keys) == 0
