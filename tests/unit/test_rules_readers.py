"""What `meta` and `ct` are read to be, selector by selector; header fields: test_rules_setting."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from builders import icmp, sctp, tcp, udp
from statefulinspect.decoding import decode
from statefulinspect.linking import connect
from statefulinspect.rules.engine.readers import SETTLED, reader
from statefulinspect.rules.engine.readers_ct import CT_READERS
from statefulinspect.rules.engine.readers_meta import nanoseconds
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.terms import ESTABLISHED, INVALID, NEW, RELATED
from statefulinspect.zones import Zone

SIX = {"source": "fd00::1", "destination": "fd00::2"}
IPV4, IPV6 = 2, 10  # NFPROTO_*


def walk_with(packet, now=0.0, **context):
    return walk_of(decode(packet, **context), now)


def ask(text, packet=None, now=0.0, **context):
    return reader(text)(walk_with(udp() if packet is None else packet, now, **context))


@pytest.mark.parametrize(
    ("text", "four", "six"),
    [
        ("meta length", 28, 48),
        ("meta nfproto", IPV4, IPV6),
        ("meta protocol", 0x0800, 0x86DD),
        ("meta l4proto", 17, 17),
        ("meta priority", 0, 0),
        ("meta mark", 5, 5),
        ("meta iif", "lan", "lan"),
        ("meta iifname", "lan", "lan"),
        ("meta oif", "wan", "wan"),
        ("meta oifname", "wan", "wan"),
        ("meta iiftype", 0xFFFE, 0xFFFE),
        ("meta oiftype", 0xFFFE, 0xFFFE),
        ("meta iifgroup", 0, 0),
        ("meta oifgroup", 0, 0),
        ("meta cpu", 0, 0),
        ("meta nftrace", 0, 0),
        ("meta rtclassid", 0, 0),
        ("meta secpath", 0, 0),
        *((f"meta {name}", None, None) for name in ("skuid", "skgid", "cgroup", "ibrname",
                                                    "obrname", "ibrpvid", "ibrvproto", "sdif",
                                                    "sdifname")),
    ],
)  # fmt: skip
def test_what_is_known_of_a_packet(text, four, six):
    context = {"iif": "lan", "oif": "wan", "mark": 5}
    assert ask(text, **context) == four
    assert ask(text, udp(**SIX), **context) == six


@pytest.mark.parametrize("way", ["iif", "oif"])
def test_of_an_interface_that_nobody_named_nothing_is_known(way):
    assert ask(f"meta {way}group") is None
    assert ask(f"meta {way}type") is None
    assert ask(f"meta {way}name") == ""
    assert ask(f"meta {way}type", **{way: "lo"}) == 772


@pytest.mark.parametrize(
    ("destination", "kind"),
    [
        ("10.0.0.2", 0),
        ("255.255.255.255", 1),
        ("255.255.255.254", 0),
        ("223.255.255.255", 0),
        ("224.0.0.0", 2),
        ("239.255.255.255", 2),
        ("240.0.0.0", 0),
        ("fd00::2", 0),
        ("ff00::", 2),
        ("ffff:ffff::ffff", 2),
        ("feff::1", 0),
    ],
)
def test_the_kind_of_a_packet_is_told_by_its_destination(destination, kind):
    source = "fd00::1" if ":" in destination else "10.0.0.1"
    walk = walk_with(udp(source=source, destination=destination))
    assert reader("meta pkttype")(walk) == kind
    for said in (0, 3):  # what a rule has set it to
        walk.pkttype = said
        assert reader("meta pkttype")(walk) == said


@pytest.mark.parametrize(
    ("now", "day", "hour"),
    [
        (0.0, 4, 0),  # a Thursday
        (86_399.9, 4, 86_399),
        (86_400.0, 5, 0),
        (2 * 86_400.0, 6, 0),
        (3 * 86_400.0 + 3_661.5, 0, 3661),  # Sunday
        (1_700_000_000.0, 2, 80_000),  # Tuesday, 2023-11-14, 22:13:20 UTC
    ],
)
def test_the_time_is_that_of_the_call(now, day, hour):
    assert (ask("meta day", now=now), ask("meta hour", now=now)) == (day, hour)
    assert ask("meta time", now=now) == nanoseconds(now)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, 0),
        (1.0, 10**9),
        (0.5, 5 * 10**8),
        (-0.5, -5 * 10**8),
        (1.7e9 + 0.25, 1_700_000_000_250_000_000),
        (2.0**60, 2**60 * 10**9),
    ],
)
def test_nanoseconds(seconds, expected):
    assert nanoseconds(seconds) == expected


def test_what_can_differ_between_packets_of_a_side_is_not_settled():
    for text in ("meta length", "meta time", "ct mark", "ct status", "ct original bytes",
                 "ct reply packets", "ct avgpkt", "ct expiration", "ct label", "ct helper",
                 "ip ttl", "ip length", "tcp flags", "tcp sequence", "dccp type"):  # fmt: skip
        assert text not in SETTLED
    for text in ("meta iifname", "ct state", "ct direction", "ct original zone", "ip saddr",
                 "ip6 daddr", "tcp dport", "icmp type", "ct reply proto-src"):  # fmt: skip
        assert text in SETTLED


# A connection: what is read of it, whichever side's packet looks.


def tracked(packet=None, **context):
    """A packet's walk with a connection of its own key."""
    walk = walk_with(udp() if packet is None else packet, **context)
    key = walk.packet.key
    size = 4 if len(key) == 12 else 16
    reply = key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]
    walk.connection = connect(walk.packet.protocol, key, reply, None, 0.0, Zone(5, 6))
    walk.side = walk.connection.original_side
    walk.ct_bits = NEW.bit
    return walk


@pytest.mark.parametrize("text", sorted(set(CT_READERS) - {"ct state"}))
def test_of_a_packet_without_connection_nothing_is_known(text):
    assert ask(text) is None


@pytest.mark.parametrize("state", [NEW, ESTABLISHED, RELATED, INVALID])
def test_the_state_and_the_direction(state):
    walk = tracked()
    walk.ct_bits = state.bit
    assert reader("ct state")(walk) == state.bit
    assert reader("ct direction")(walk) == 0
    walk.side = walk.side.other
    assert reader("ct direction")(walk) == 1


def status(**changes):
    walk = tracked()
    connection = walk.connection
    connection.seen_reply = changes.get("seen_reply", False)
    connection.is_assured = changes.get("is_assured", False)
    connection.master = connection if changes.get("expected") else None
    walk.is_fresh, walk.is_ending = changes.get("is_fresh", False), changes.get("is_ending", False)
    walk.side = connection.reply_side if changes.get("is_reply") else connection.original_side
    walk.ct_bits = changes.get("state", NEW).bit
    return reader("ct status")(walk)


@pytest.mark.parametrize(
    ("changes", "bits"),
    [
        ({}, 8),
        ({"is_fresh": True}, 0),
        ({"expected": True, "is_fresh": True}, 1),
        ({"seen_reply": True}, 8 | 2),
        ({"is_reply": True, "state": ESTABLISHED}, 8 | 2),
        ({"is_reply": True, "state": RELATED}, 8),
        ({"state": ESTABLISHED}, 8),
        ({"is_assured": True, "seen_reply": True}, 8 | 4 | 2),
        ({"is_ending": True}, 8 | 512),
        ({"expected": True, "seen_reply": True, "is_assured": True, "is_ending": True}, 527),
    ],
)
def test_the_status_is_the_sum_of_what_is_true(changes, bits):
    assert status(**changes) == bits


def test_the_status_of_a_packet_that_is_about_a_connection_without_a_side():
    walk = tracked()
    walk.side, walk.ct_bits = None, ESTABLISHED.bit
    assert reader("ct status")(walk) == 8


@pytest.mark.parametrize(
    ("expires_at", "is_fresh", "milliseconds"),
    [(30.0, False, 20_000), (10.001, False, 1), (10.0, False, 0), (9.0, False, 0), (30.0, True, 0)],
)
def test_what_is_left_to_live_in_milliseconds(expires_at, is_fresh, milliseconds):
    walk = tracked()
    walk.now, walk.connection.expires_at, walk.is_fresh = 10.0, expires_at, is_fresh
    assert reader("ct expiration")(walk) == milliseconds


def test_the_helper_is_the_one_that_announced_it():
    walk, master = tracked(), tracked().connection
    walk.connection.helper, master.helper = "irc", "ftp"
    assert reader("ct helper")(walk) is None
    walk.connection.master = master
    assert reader("ct helper")(walk) == "ftp"


def test_what_rules_and_users_wrote():
    walk = tracked()
    walk.connection.mark, walk.connection.labels = 7, 9
    assert (reader("ct mark")(walk), reader("ct label")(walk)) == (7, 9)


def test_zones():
    walk = tracked()
    found = [reader(text)(walk) for text in ("ct zone", "ct original zone", "ct reply zone")]
    assert found == [5, 5, 6]


@pytest.mark.parametrize("is_counted", [False, True])
@pytest.mark.parametrize("is_reply", [False, True])
def test_counts_hold_this_packet_once_it_counts(is_reply, is_counted):
    walk = tracked()
    original, reply = walk.connection.original_side, walk.connection.reply_side
    original.packets, original.octets, reply.packets, reply.octets = 3, 300, 1, 50
    walk.side, walk.is_counted = (reply if is_reply else original), is_counted
    more = [(is_counted and not is_reply), (is_counted and is_reply)]
    packets = [3 + more[0], 1 + more[1]]
    octets = [300 + 28 * more[0], 50 + 28 * more[1]]
    for way, name in enumerate(("original", "reply")):
        assert reader(f"ct {name} packets")(walk) == packets[way]
        assert reader(f"ct {name} bytes")(walk) == octets[way]
        assert reader(f"ct {name} avgpkt")(walk) == octets[way] // packets[way]
    assert reader("ct packets")(walk) == sum(packets)
    assert reader("ct bytes")(walk) == sum(octets)
    assert reader("ct avgpkt")(walk) == sum(octets) // sum(packets)


def test_the_average_of_nothing_is_0():
    walk = tracked()
    for text in ("ct avgpkt", "ct original avgpkt", "ct reply avgpkt"):
        assert reader(text)(walk) == 0


@pytest.mark.parametrize("packet", [tcp(1000, 80), udp(1000, 80, **SIX)], ids=["IPv4", "IPv6"])
def test_the_ends_of_each_direction(packet):
    walk = tracked(packet)
    family, version = (IPV4, "ip") if packet[0] >> 4 == 4 else (IPV6, "ip6")
    other = "ip6" if version == "ip" else "ip"
    ends = [int(ip_address(each)) for each in (walk.packet.source, walk.packet.destination)]
    for name, (source, destination), ports in (
        ("original", ends, (1000, 80)),
        ("reply", ends[::-1], (80, 1000)),
    ):
        assert reader(f"ct {name} {version} saddr")(walk) == source
        assert reader(f"ct {name} {version} daddr")(walk) == destination
        assert reader(f"ct {name} {other} saddr")(walk) is None
        assert reader(f"ct {name} {other} daddr")(walk) is None
        assert reader(f"ct {name} proto-src")(walk) == ports[0]
        assert reader(f"ct {name} proto-dst")(walk) == ports[1]
        assert reader(f"ct {name} l3proto")(walk) == family
        assert reader(f"ct {name} protocol")(walk) == walk.packet.protocol
    assert reader("ct l3proto")(walk) == family
    assert reader("ct protocol")(walk) == walk.packet.protocol


@pytest.mark.parametrize("packet", [icmp(8, id_=9), icmp(128, id_=9, **SIX)], ids=["IPv4", "IPv6"])
def test_messages_have_an_identifier_for_a_source_port(packet):
    assert reader("ct original proto-src")(tracked(packet)) == 9


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("maxseg size", "020405b4", 1460),
        ("maxseg size", "020605b401010101", 1460),
        ("maxseg size", "020305b4", None),
        ("maxseg size", "0202010102040101", None),  # the first one decides
        ("maxseg length", "02000101", None),
        ("maxseg kind", "02000101", 2),
        ("maxseg", "02000101", 1),
        ("maxseg size", "020505b4", None),
        ("maxseg", "020505b4", 0),
        ("sack1 left", "0101050a00000001000000020000000300000004", None),
        ("@2,16,8", "02030501", 5),
        ("@2,16,16", "02030501", None),
        ("@2,0,8", "02030501", 2),  # and not whether there is one
    ],
)
def test_of_a_tcp_option_no_more_is_read_than_it_says_to_be(text, options, expected):
    assert ask(f"tcp option {text}", tcp(options=bytes.fromhex(options))) == expected


@pytest.mark.parametrize(
    ("text", "chunks", "expected"),
    [
        ("tsn", "0000000800000005", 5),
        ("tsn", "0000000700000005", None),
        ("tsn", "0000000900000005", None),  # longer than what there is
        ("length", "0000000900000005", None),
        ("flags", "0001000200000005", 1),
        ("length", "0001000200000005", None),
        ("tsn", "000000040000000800000005", None),  # the first one decides
    ],
)
def test_of_an_sctp_chunk_no_more_is_read_than_it_says_to_be(text, chunks, expected):
    packet = sctp("", tail=bytes.fromhex(chunks))
    assert ask(f"sctp chunk data {text}", packet) == expected
    assert ask("sctp chunk data", packet) == 1


def test_an_sctp_chunk_without_length_is_none():
    packet = sctp("", tail=bytes(8))
    assert ask("sctp chunk data", packet) == 0
    assert ask("sctp chunk data type", packet) is None


@pytest.mark.parametrize(
    ("options", "length"),
    [
        ("94040000", 4),
        ("94040005", None),
        ("94040500", None),
        ("940400059406000000050000", 6),
        ("9404000094060000", 6),  # the last one
        ("940600000000000094040005", 6),
        ("00940400", None),
        ("0194040000", 4),
        ("94040000ff0094040000", 4),
        ("ff00940400000000", None),
    ],
)
def test_a_router_alert_has_a_value_of_zero(options, length):
    packet = udp(options=bytes.fromhex(options))
    assert ask("ip option ra", packet) == (length is not None)
    assert ask("ip option ra length", packet) == length
