"""Whatever arrives gets a verdict, and leaves every structure sound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from builders import gre, icmp, icmp_error, ip, sctp, tcp, udp, udplite
from statefulinspect import Action, Config, CtState, Tracker, Verdict
from statefulinspect.terms import Effect

WELL_FORMED = [
    tcp(flags="SYN", seq=1),
    tcp(80, 1000, "SYN,ACK", 5, 2, source="10.0.2.2", destination="10.0.1.2"),
    tcp(flags="ACK", seq=2, ack=6, options=bytes.fromhex("0101050a0000000000000000")),
    tcp(source="fd00:1::2", destination="fd00:2::2", flags="SYN"),
    udp(data=b"question"),
    udp(53, 1000, source="10.0.2.2", destination="10.0.1.2"),
    icmp(8),
    icmp(135, source="fd00:1::2", destination="fd00:2::2"),
    icmp_error(udp(data=b"question")),
    udp(options=bytes.fromhex("0707040000000000")),
    sctp("INIT/4"),
    sctp("INIT_ACK/15", 4, 80, 1000, source="10.0.2.2", destination="10.0.1.2"),
    sctp("HEARTBEAT+DATA", 4),
    gre(7),
    udplite(data=b"lite", coverage=8, pseudo=17),
    ip(
        "fd00:1::2",
        "fd00:2::2",
        89,
        b"ospf",
        extensions=(0, bytes.fromhex("3c00050200000100") + bytes.fromhex("5900010400000000")),
    ),
    icmp_error(
        udp(source="fd00:1::2", destination="fd00:2::2"),
        1,
        source="fd00:2::2",
        destination="fd00:1::2",
    ),
]


@st.composite
def spoiled(draw):
    """A right packet with a few octets replaced, cut or lengthened."""
    packet = bytearray(draw(st.sampled_from(WELL_FORMED)))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), max_size=4)):
        packet[at % len(packet)] = value
    cut = draw(st.integers(0, len(packet)))
    return draw(st.sampled_from([bytes(packet), bytes(packet[:cut]), bytes(packet) + b"tail"]))


# Behind the number of the next header: padding, a route, a first fragment and a whole one, a seal.
EXTENSIONS = {
    0: ["00010400000000"],
    43: ["00000000000000"],
    44: ["00000100000001", "00000000000001"],
    51: ["0400000000000100000001" + "00" * 12],
    60: ["00010400000000", "01010c" + "00" * 12],
}


def chained(numbers, kind=0):
    """Write an IPv6 packet with extension headers of these numbers."""
    chain = b"".join(
        bytes([following]) + bytes.fromhex(EXTENSIONS[number][kind % len(EXTENSIONS[number])])
        for number, following in zip(numbers, [*numbers[1:], 17])
    )
    return ip("fd00:1::2", "fd00:2::2", 17, udp()[20:], extensions=(numbers[0], chain))


def cut_at(packet, octets, claimed):
    """Cut an IPv6 packet, and have it claim so many octets of payload."""
    return packet[:4] + claimed.to_bytes(2, "big") + packet[6:octets]


@st.composite
def cut_chains(draw):
    """An IPv6 packet with extension headers, cut anywhere, and what length it claims."""
    numbers = draw(st.lists(st.sampled_from(list(EXTENSIONS)), min_size=1, max_size=4))
    whole = chained(numbers, draw(st.integers(0, 1)))
    octets = draw(st.integers(40, len(whole)))
    return cut_at(whole, octets, draw(st.sampled_from([octets - 40, len(whole) - 40, 0])))


PACKETS = st.binary(max_size=80) | spoiled() | cut_chains()


@given(st.lists(PACKETS, max_size=30), st.booleans(), st.booleans())
def test_any_bytes_get_a_verdict(packets, linux, verify):
    make = Config.linux if linux else Config
    tracker = Tracker(config=make(verify_checksums=verify))
    for number, packet in enumerate(packets):
        verdict = tracker.process(packet, number / 3)
        tracker.check()
        assert isinstance(verdict, Verdict)
        assert isinstance(tracker.find(packet), (type(None), type(next(iter(tracker), None))))
        assert (verdict.ct_state is not CtState.INVALID) or verdict.action is Action.DROP
        is_barred = verdict.reason.effect is Effect.BAR
        assert (verdict.connection is None) == (verdict.direction is None) or is_barred


@given(st.lists(st.floats(allow_infinity=False, allow_nan=False), max_size=20))
def test_any_order_of_times_is_taken(times):
    tracker = Tracker()
    latest = float("-inf")
    for now in times:
        latest = max(now, latest)
        verdict = tracker.process(udp(), now)
        tracker.check()
        assert verdict.connection.created_at <= latest
        assert verdict.connection.expires_at == latest + 30
