"""NetBIOS names: whose query to which address is answered by a whole network."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import UDP, packed, udp
from statefulinspect import Config, Tracker
from statefulinspect.checks import ConfigError
from statefulinspect.helpers.model import Helper, Message, Policy
from statefulinspect.helpers.netbios_ns import NetbiosNsHelper
from statefulinspect.helpers.statements import NOTHING, Announce, Renew

ASKER, ALL, PEER = "10.0.1.2", "10.0.1.255", "10.0.1.9"
MASKS = {24: "255.255.255.0", 25: "255.255.255.128", 26: "255.255.255.192", 30: "255.255.255.252"}


def ask(source, destination, networks=("10.0.1.0/24",), *, ports=(137, 137), is_reply=0, data=b""):
    """Let a machine ask, and give what follows."""
    helper = NetbiosNsHelper(networks)
    opened = udp(*ports, source=source, destination=destination)
    connection = Tracker(config=Config.linux()).process(opened, 0.0).connection  # LAND too
    connection.helper_memory = helper.begin()
    side = connection.reply_side if is_reply else connection.original_side
    return helper.read(Message(side, data, 0, 0.0))


def answers(source=ASKER, destination=ALL, *, bits=24, port=137):
    return (
        Renew(3.0),
        Announce(
            UDP,
            packed(source),
            port,
            source=packed(destination),
            source_port=137,
            source_mask=packed(MASKS[bits]),
            is_permanent=True,
            is_optional=True,
        ),
    )


def test_what_it_is():
    helper = NetbiosNsHelper([])
    assert isinstance(helper, Helper)
    assert (helper.name, helper.protocols, helper.families) == ("netbios-ns", {17}, {4})
    assert helper.policies == {"": Policy(1, 3.0)}


@pytest.mark.parametrize("data", [b"", b"x", bytes(50)])
def test_a_network_is_asked_whatever_the_question(data):
    assert ask(ASKER, ALL, data=data) == answers()


def test_the_answers_come_from_port_137_to_where_the_query_came_from():
    assert ask(ASKER, ALL, ports=(5000, 137)) == answers(port=5000)
    assert ask(ASKER, ALL, ports=(137, 138)) == answers(port=137)
    assert ask(ASKER, ALL, ports=(0, 137)) == answers(port=0)


@pytest.mark.parametrize("asked", [PEER, "10.0.1.0", "10.0.1.254", "10.0.255.255", "10.0.1.127"])
def test_one_machine_is_asked(asked):
    assert ask(ASKER, asked) == NOTHING


@pytest.mark.parametrize("asker", ["10.0.2.2", "10.0.0.255", "192.0.2.1"])
def test_a_stranger_asks(asker):
    assert ask(asker, ALL) == NOTHING


def test_answers_are_not_read():
    assert ask(ALL, ASKER, is_reply=1) == NOTHING
    assert ask(ASKER, ALL, is_reply=1) == NOTHING


def test_which_network_is_asked():
    networks = ["10.0.4.0/30", "10.0.1.0/26", IPv4Network("10.0.1.0/24")]
    assert ask(ASKER, ALL, networks) == answers()
    assert ask(ASKER, "10.0.1.63", networks) == answers(destination="10.0.1.63", bits=26)
    assert ask("10.0.1.99", "10.0.1.63", networks) == NOTHING
    assert ask("10.0.4.1", "10.0.4.3", networks) == answers("10.0.4.1", "10.0.4.3", bits=30)
    assert ask(ASKER, ALL, []) == NOTHING


def test_the_first_counts_of_two_with_one_broadcast_address():
    networks = ["10.0.1.128/25", "10.0.1.0/24"]
    assert ask("10.0.1.129", ALL, networks) == answers("10.0.1.129", bits=25)
    assert ask("10.0.1.129", ALL, networks[::-1]) == answers("10.0.1.129", bits=24)
    assert ask(ASKER, ALL, networks) == answers(bits=24)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("10.0.1.0/31", "network '10.0.1.0/31': has no broadcast address"),
        ("10.0.1.0", "network '10.0.1.0': has no broadcast address"),
        ("10.0.1.1/24", "network '10.0.1.1/24': 10.0.1.1/24 has host bits set"),
        ("fd00::/64", "network 'fd00::/64': Expected 4 octets in 'fd00::'"),
        ("net", "network 'net': Expected 4 octets in 'net'"),
        (10, "network 10: expected a prefix such as '10.0.0.0/8'"),
    ],
)
def test_what_is_no_network(given, message):
    with pytest.raises(ConfigError) as raised:
        NetbiosNsHelper([given])
    assert str(raised.value) == message


def test_one_network_must_be_in_a_list():
    with pytest.raises(ConfigError) as raised:
        NetbiosNsHelper("10.0.0.0/8")
    message = "networks='10.0.0.0/8': expected several, as in ['10.0.0.0/8']"
    assert str(raised.value) == message


HOSTS = st.sampled_from([ASKER, ALL, PEER, "10.0.1.63", "10.0.2.2"])


@given(HOSTS, HOSTS, st.integers(0, 1), st.binary(max_size=20))
def test_any_bytes_give_an_outcome(source, destination, is_reply, data):
    outcome = ask(source, destination, is_reply=is_reply, data=data)
    assert outcome in (NOTHING, answers(source, destination))
