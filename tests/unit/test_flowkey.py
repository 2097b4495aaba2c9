"""What a flow key says, how it is reversed and how it is written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6
from statefulinspect.flowkey import ICMP_ANSWERS, FlowKey, reverse, show_address

PORTS = b"\x04\x00\x00\x50"  # 1024 and 80
PORT_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "udplite": 136}
GRE, DCCP, OSPF = 47, 33, 89


def key(protocol, own=b"", source=CLIENT, destination=SERVER):
    return FlowKey(protocol, ip_address(source).packed + ip_address(destination).packed + own)


def key6(protocol, own=b""):
    return key(protocol, own, CLIENT6, SERVER6)


@pytest.mark.parametrize(
    ("flow", "family", "source", "destination"),
    [
        (key(6, PORTS), 4, CLIENT, SERVER),
        (key(OSPF), 4, CLIENT, SERVER),
        (key6(6, PORTS), 6, CLIENT6, SERVER6),
        (key6(OSPF), 6, CLIENT6, SERVER6),
    ],
)
def test_addresses(flow, family, source, destination):
    assert flow.family == family
    assert flow.source == ip_address(source)
    assert flow.destination == ip_address(destination)


@pytest.mark.parametrize("protocol", PORT_NUMBERS.values(), ids=PORT_NUMBERS)
@pytest.mark.parametrize("make", [key, key6])
def test_protocols_with_ports(make, protocol):
    flow = make(protocol, PORTS)
    assert (flow.source_port, flow.destination_port) == (1024, 80)
    assert (flow.icmp_id, flow.icmp_type, flow.icmp_code) == (None, None, None)


@pytest.mark.parametrize(("make", "protocol"), [(key, 1), (key6, 58)])
def test_icmp(make, protocol):
    flow = make(protocol, b"\x01\x02\x08\x03")
    assert (flow.icmp_id, flow.icmp_type, flow.icmp_code) == (0x102, 8, 3)
    assert (flow.source_port, flow.destination_port) == (None, None)


@pytest.mark.parametrize("own", [bytes(4), b"\0\0\x01\x02"])
@pytest.mark.parametrize("make", [key, key6])
def test_the_keys_of_gre_are_no_ports(make, own):
    flow = make(GRE, own)
    assert flow.destination == make(OSPF).destination
    assert {flow.source_port, flow.destination_port, flow.icmp_id, flow.icmp_type} == {None}


@pytest.mark.parametrize("protocol", [DCCP, OSPF, 0, 255])
def test_other_protocols_have_addresses_only(protocol):
    flow = key(protocol)
    assert {flow.source_port, flow.destination_port, flow.icmp_id, flow.icmp_type} == {None}
    assert flow.icmp_code is None


@pytest.mark.parametrize("make", [key, key6])
def test_reverse_swaps_addresses_and_ports(make):
    flow = make(17, PORTS)
    back = flow.reverse()
    assert (back.source, back.destination) == (flow.destination, flow.source)
    assert (back.source_port, back.destination_port) == (80, 1024)
    assert back.protocol == 17


@pytest.mark.parametrize("make", [key, key6])
def test_reverse_swaps_the_keys_of_gre(make):
    assert make(GRE, b"\0\0\x01\x02").reverse().wire[-4:] == b"\x01\x02\0\0"
    assert make(GRE, bytes(4)).reverse().wire[-4:] == bytes(4)


@pytest.mark.parametrize("make", [key, key6])
def test_reverse_of_addresses_only(make):
    back = make(OSPF).reverse()
    assert (back.source, back.destination) == (make(OSPF).destination, make(OSPF).source)
    assert len(back.wire) == len(make(OSPF).wire)


ANSWERS = [
    *((key, 1, pair) for pair in [(8, 0), (13, 14), (15, 16), (17, 18)]),
    *((key6, 58, pair) for pair in [(128, 129), (139, 140)]),
]


@pytest.mark.parametrize(("make", "protocol", "pair"), ANSWERS)
def test_an_icmp_query_is_answered_by_its_reply_and_back(make, protocol, pair):
    for asked, answered in (pair, pair[::-1]):
        back = make(protocol, bytes([0, 7, asked, 5])).reverse()
        assert (back.icmp_id, back.icmp_type, back.icmp_code) == (7, answered, 5)
        assert back.source == make(protocol).destination


@pytest.mark.parametrize(("make", "protocol"), [(key, 1), (key6, 58)])
def test_all_other_icmp_types_have_no_answer(make, protocol):
    answered = {each for _, number, pair in ANSWERS if number == protocol for each in pair}
    for icmp_type in set(range(256)) - answered:
        flow = make(protocol, bytes([0, 7, icmp_type, 0]))
        assert reverse(*flow) is None
        with pytest.raises(ValueError, match=f"^ICMP type {icmp_type} has no answer"):
            flow.reverse()
    assert set(ICMP_ANSWERS[protocol]) == answered


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (key(6, PORTS), f"src={CLIENT} dst={SERVER} sport=1024 dport=80"),
        (key6(17, PORTS), f"src={CLIENT6} dst={SERVER6} sport=1024 dport=80"),
        (key(1, b"\0\x07\x08\0"), f"src={CLIENT} dst={SERVER} type=8 code=0 id=7"),
        (key6(58, b"\0\x07\x80\x01"), f"src={CLIENT6} dst={SERVER6} type=128 code=1 id=7"),
        (key(GRE, bytes(4)), f"src={CLIENT} dst={SERVER} srckey=0x0 dstkey=0x0"),
        (key(GRE, b"\0\0\xab\xcd"), f"src={CLIENT} dst={SERVER} srckey=0x0 dstkey=0xabcd"),
        (key6(GRE, b"\0\x07\0\0"), f"src={CLIENT6} dst={SERVER6} srckey=0x7 dstkey=0x0"),
        (key(DCCP), f"src={CLIENT} dst={SERVER} sport=0 dport=0"),
        (key(OSPF), f"src={CLIENT} dst={SERVER}"),
    ],
)
def test_text(flow, text):
    assert str(flow) == text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("::ffff:0:0", "::ffff:0.0.0.0"),
        ("::fffe:a00:1", "::fffe:a00:1"),
        ("fd00:0:0:1:0:0:0:2", "fd00:0:0:1::2"),
        ("::", "::"),
        ("::1", "::1"),
        ("::ffff", "::ffff"),
        ("::1:2", "::0.1.0.2"),
        ("::a00:1", "::10.0.0.1"),
        ("::1:a00:1", "::1:a00:1"),
    ],
)
def test_addresses_are_written_as_inet_ntop_does(address, text):
    assert show_address(ip_address(address)) == text


def test_a_key_shows_what_it_names():
    assert repr(FlowKey(50, bytes(8))) == "FlowKey(50 src=0.0.0.0 dst=0.0.0.0)"
