"""TFTP: requests of either kind announce the server's transfer, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, UDP, packed, udp
from statefulinspect import Tracker
from statefulinspect.helpers.model import Helper, Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce
from statefulinspect.helpers.tftp import TftpHelper

READ = b"\x00\x01file\x00octet\x00"
HELPER = TftpHelper()


def say(is_reply, payload, client=CLIENT, server=SERVER, port=1000):
    """Let either side of a fresh control connection say something."""
    opened = udp(port, 69, source=client, destination=server)
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = HELPER.begin()
    side = connection.reply_side if is_reply else connection.original_side
    return HELPER.read(Message(side, payload, 0, 0.0))


def transfer(client=CLIENT, server=SERVER, port=1000):
    return (Announce(UDP, packed(client), port, source=packed(server)),)


def test_what_it_is():
    assert isinstance(HELPER, Helper)
    assert (HELPER.name, HELPER.protocols, HELPER.families) == ("tftp", {17}, {4, 6})
    assert HELPER.policies == {"": Policy(1, 300.0)}


@pytest.mark.parametrize("request_", [READ, b"\x00\x02file\x00octet\x00", b"\x00\x01", b"\x00\x02"])
@pytest.mark.parametrize("is_reply", [0, 1])
def test_a_request_announces_the_servers_transfer_whoever_sends_it(is_reply, request_):
    assert say(is_reply, request_) == transfer()


def test_its_addresses_and_port_are_the_connections():
    ends = {"client": CLIENT6, "server": SERVER6}
    assert say(0, READ, **ends) == say(1, READ, **ends) == transfer(**ends)
    assert say(0, READ, port=65535) == transfer(port=65535)
    assert say(0, READ, port=0) == transfer(port=0)


@pytest.mark.parametrize("code", [0, 3, 4, 5, 6, 0x0100, 0x0101, 0x0200, 0xFFFF])
def test_anything_else_does_not(code):
    assert say(0, code.to_bytes(2, "big") + b"file\x00octet\x00") == NOTHING


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x01", b"x\x00\x01"])
def test_nor_does_half_a_request(payload):
    assert say(0, payload) == NOTHING


@given(st.integers(0, 1), st.binary(max_size=20))
def test_any_bytes_give_an_outcome(is_reply, payload):
    assert say(is_reply, payload) in (NOTHING, transfer())
