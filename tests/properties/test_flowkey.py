"""Flow keys name directions of flows: one name a direction, and each is the other's reverse."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from builders import icmp, ip, tcp, udp
from statefulinspect import Reason
from statefulinspect.decoding import decode
from statefulinspect.flowkey import ICMP_ANSWERS, FlowKey, reverse

# Few enough to meet, and alike enough across the families to be taken for each other.
HOSTS = {
    4: ["10.0.0.1", "10.0.0.2", "0.0.0.0"],
    6: ["::10.0.0.1", "::ffff:10.0.0.1", "::", "a00:1:a00:2::"],
}
BUILDERS = {6: tcp, 17: udp}
ANSWERS = {1: {8: 0, 13: 14, 15: 16, 17: 18}, 58: {128: 129, 139: 140}}
PROTOCOLS = {4: [6, 17, 132, 136, 1, 47, 89], 6: [6, 17, 132, 136, 58, 47, 89]}
numbers = st.sampled_from([0, 1, 7, 0x0A00, 65535]) | st.integers(0, 65535)


@st.composite
def flows(draw, protocols=range(256)):
    """(protocol, source, destination, the protocol's own words), of one of the protocols."""
    choices = [(f, each) for f in PROTOCOLS for each in PROTOCOLS[f] if each in protocols]
    family, protocol = draw(st.sampled_from(choices))
    source, destination = (draw(st.sampled_from(HOSTS[family])) for _ in range(2))
    if protocol in ANSWERS:
        type_ = draw(st.sampled_from(sorted(ANSWERS[protocol])))
        own = draw(numbers), type_, draw(st.sampled_from([0, 3]))
    else:
        own = () if protocol in (47, 89) else (draw(numbers), draw(numbers))
    return protocol, source, destination, own


@st.composite
def pairs(draw):
    """Two flows that differ in one word, in several, or not at all."""
    one = draw(flows())
    other = draw(flows([one[0]]))
    if ip_address(one[1]).version != ip_address(other[1]).version:
        return one, other
    keep = draw(st.lists(st.booleans(), min_size=4, max_size=4))
    return one, tuple(a if kept else b for a, b, kept in zip(one, other, keep))


def answer_to(flow):
    protocol, source, destination, own = flow
    if protocol in ANSWERS:
        id_, type_, code = own
        return protocol, destination, source, (id_, ANSWERS[protocol][type_], code)
    return protocol, destination, source, own[::-1]


def build(flow):
    protocol, source, destination, own = flow
    ends = {"source": source, "destination": destination}
    if protocol in BUILDERS:
        return BUILDERS[protocol](*own, **ends)
    if protocol in ANSWERS:
        id_, type_, code = own
        return icmp(type_, code, id_, **ends)
    ports = b"".join(number.to_bytes(2, "big") for number in own)
    return ip(source, destination, protocol, ports + b"payload")


def name(flow):
    packet = decode(build(flow))
    assert packet.reason is Reason.OK
    return packet.flow


@given(flows())
def test_a_packet_and_its_answer_are_each_others_reverse(flow):
    there, back = name(flow), name(answer_to(flow))
    assert there.reverse() == back
    assert back.reverse() == there


@given(pairs())
def test_distinct_flows_have_distinct_names(pair):
    one, other = pair
    assert (name(one) == name(other)) == (one == other)
    assert (str(name(one)) == str(name(other))) == (one == other)


@given(flows())
def test_the_views_give_what_was_built(flow):
    protocol, source, destination, own = flow
    key = name(flow)
    assert key.protocol == protocol
    assert key.family == ip_address(source).version
    assert (key.source, key.destination) == (ip_address(source), ip_address(destination))
    ports = own if len(own) == 2 else (None, None)
    assert (key.source_port, key.destination_port) == ports
    icmp_words = own if len(own) == 3 else (None, None, None)
    assert (key.icmp_id, key.icmp_type, key.icmp_code) == icmp_words


@st.composite
def keys(draw):
    """Any key at all: every protocol, any addresses, any own part."""
    protocol = draw(st.integers(0, 255))
    size = draw(st.sampled_from([4, 16]))
    own = 4 if protocol in (1, 6, 17, 58, 132, 136) else 0
    return FlowKey(protocol, draw(st.binary(min_size=2 * size + own, max_size=2 * size + own)))


@given(keys())
def test_reversing_twice_gives_the_key_back(key):
    back = reverse(*key)
    if back is None:
        assert key.icmp_type not in ICMP_ANSWERS[key.protocol]
    else:
        assert reverse(key.protocol, back) == key.wire
        assert len(back) == len(key.wire)
