"""The abbreviated way of `process` gives what the full way gives, to the last field."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, tcp
from fullway import FullWay, snapshot
from statefulinspect import Config, TcpPolicy, Tracker

M32 = 0xFFFF_FFFF
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
SACK = bytes.fromhex("0101050a")
SYN_OPTIONS = [b"", bytes.fromhex("04020101"), bytes.fromhex("0402080a0000000100000000010303 07")]


USUAL = st.tuples(
    st.sampled_from(["ACK", "PSH,ACK"]),
    st.just(0),
    st.sampled_from([0, 0, 0, -1, -500, -66_000]),
    st.sampled_from([0, 0, 1, 100, 1448]),
    st.sampled_from([65535, 65535, 0, 1000, 200]),
    st.sampled_from([b"", TIMESTAMPS]),
)
UNUSUAL = st.tuples(
    st.sampled_from(["ACK", "ACK,ECE", "ACK,URG", "FIN,ACK", "RST", "SYN"]),
    st.sampled_from([0, 1, -1, 100, 70_000, 1 << 31]),
    st.sampled_from([0, 1, -66_001, 1 << 31]),
    st.sampled_from([0, 1, 100, 1448]),
    st.sampled_from([65535, 0, 1000]),
    st.sampled_from([b"", TIMESTAMPS, TIMESTAMPS[:4] + bytes(12), SACK]),
)
WAYS = st.sampled_from(["again", "cut", "fragment", "long tail"])
PAUSES = st.sampled_from([250, 299.5, 300, 3600])


def mostly(usual, unusual):
    """Draw nine of ten times from the usual, for the hot path lives on that."""
    return st.integers(0, 9).flatmap(lambda dice: unusual if dice == 9 else usual)


SEGMENT = st.tuples(
    st.booleans(),
    mostly(USUAL, UNUSUAL),
    mostly(st.just("as it is"), WAYS),
    mostly(st.just(0.01), PAUSES),
)


class Pair:
    """One conversation through both trackers; numbers follow what was sent."""

    def __init__(self, config, ends, starts):
        self.trackers = Tracker(config=config), FullWay(config=config)
        self.ends, self.starts, self.now = ends, starts, 0.0

    def open(self, options, *, window=65535, picked_up=False):
        """Shake hands, or let the trackers come in the middle, and settle."""
        first = ["ACK", "ACK"] if picked_up else ["SYN", "SYN,ACK"]
        for is_reply, flags in enumerate(first):
            self.send(is_reply, (flags, 0, 0, 0, window, options), "", 0.01)
        self.send(0, ("ACK", 0, 0, 0, window, b""), "", 0.01)

    def end(self, is_reply):
        """The sequence number that comes next from one side."""
        source, destination = self.ends
        connection = self.trackers[1].find(tcp(source=source, destination=destination))
        if connection is None:
            return self.starts[is_reply]
        side = connection.reply_side if is_reply else connection.original_side
        return side.end if side.max_window else self.starts[is_reply]  # 0: not seen so far

    def send(self, is_reply, what, way, pause):
        flags, off, ack_off, size, window, options = what
        self.now += pause
        source, destination = self.ends[::-1] if is_reply else self.ends
        sport, dport = (80, 1000) if is_reply else (1000, 80)
        seq, ack = self.end(is_reply), self.end(not is_reply)
        if options == SACK:
            options += ((ack - 10) & M32).to_bytes(4, "big") + ack.to_bytes(4, "big")
        packet = tcp(
            sport, dport, flags, (seq + off) & M32,
            0 if flags in ("SYN", "RST") else (ack + ack_off) & M32,
            source=source, destination=destination, window=window, options=options,
            data=bytes(size), fragment=0x2000 if way == "fragment" else 0,
        )  # fmt: skip
        packet = {"cut": packet[:-1], "long tail": packet + b"tail"}.get(way, packet)
        for _ in range(4 if way == "again" else 1):
            self.compare(packet)

    def compare(self, packet):
        answers = [tracker.process(packet, self.now) for tracker in self.trackers]
        told = [
            (a.action, a.ct_state, a.direction, a.reason, a.connection is None) for a in answers
        ]
        assert told[0] == told[1]
        assert snapshot(self.trackers[0]) == snapshot(self.trackers[1])


@settings(max_examples=settings().max_examples * 2)
@given(
    steps=st.lists(SEGMENT, min_size=20, max_size=60),
    starts=st.tuples(*[st.sampled_from([0, M32, M32 - 3000, 1 << 31, 12345])] * 2),
    options=st.sampled_from(SYN_OPTIONS),
    linux=st.booleans(),
    policy=st.sampled_from([{}, {}, {"max_retrans": 0}, {"max_retrans": 1, "be_liberal": True}]),
    is_ipv6=st.booleans(),
    picked_up=st.booleans(),
)
def test_both_ways_agree(steps, starts, options, linux, policy, is_ipv6, picked_up):
    config = Config.linux(verify_checksums=False) if linux else Config()
    config = attrs.evolve(config, tcp=attrs.evolve(config.tcp, **policy))
    pair = Pair(config, (CLIENT6, SERVER6) if is_ipv6 else (CLIENT, SERVER), starts)
    pair.open(options, picked_up=picked_up and linux)
    for step in steps:
        pair.send(*step)
    for tracker in pair.trackers:
        tracker.check()


@pytest.mark.parametrize("repeats", [2, 3, 4, 259])
def test_the_counter_of_repeats_wraps_on_both_ways(repeats):
    pair = Pair(Config.linux(verify_checksums=False), (CLIENT, SERVER), (0, 0))
    pair.open(b"")
    for _ in range(repeats):
        pair.send(0, ("ACK", 0, 0, 0, 65535, b""), "", 0.01)


@pytest.mark.parametrize("window", [0, 1])
def test_a_closed_window_leaves_room_for_one_octet_on_both_ways(window):
    pair = Pair(Config.linux(verify_checksums=False), (CLIENT, SERVER), (0, 0))
    pair.open(b"", window=window)
    for size in (1, 0, 1, 0):
        pair.send(1, ("ACK", 0, 0, size, 65535, b""), "", 0.01)
        pair.send(0, ("ACK", 0, 0, 0, window, b""), "", 0.01)


@pytest.mark.parametrize("start", range(M32 - 1004, M32 - 996))
def test_a_window_that_ends_at_the_wrap_on_both_ways(start):
    pair = Pair(Config.linux(verify_checksums=False), (CLIENT, SERVER), (0, start))
    pair.open(b"", window=10)
    for window in (990, 995, 1000, 1005):
        pair.send(0, ("ACK", 0, 0, 0, window, b""), "", 0.01)
        pair.send(1, ("ACK", 0, 0, 1, 65535, b""), "", 0.01)


FAR = 1 << 30  # so far above the window that only a liberal tracker lets it pass
OPENING = [">SYN 0", "<SYN,ACK 0 1", ">ACK 1 1"]
MIDDLE = [">ACK 0 0 1", "<ACK 0 1 1", ">ACK 1 1"]


@pytest.mark.parametrize(
    ("policy", "segments"),
    [
        (
            TcpPolicy(be_liberal=True, max_retrans=1),
            [*OPENING, "<ACK 1 1 9", ">ACK 1 1 9", "<ACK 10 10 0 700", f">ACK {FAR} 1",
             ">ACK 10 10 0 700"],
        ),
        (
            TcpPolicy(be_liberal=True),
            [*OPENING, "<ACK 1 1", ">ACK 1 1 1", ">SYN 2 0 0 700", f">ACK {FAR} 1",
             ">ACK 2 1 1 700"],
        ),
        (
            TcpPolicy(loose=True),
            [*MIDDLE, ">SYN 1 0 0 700", f">ACK {FAR} 1", ">ACK 1 1 1 700"],
        ),
    ],
    ids=["the other side's last", "an ignored SYN", "picked up"],
)  # fmt: skip
def test_what_equals_the_last_segment_is_counted_though_it_was_not_sent(policy, segments):
    """A liberal tracker learns nothing from what it lets pass: what was last may be another's."""
    pair = Pair(Config(tcp=policy), (CLIENT, SERVER), (0, 0))
    for segment in segments:
        flags, *numbers = segment[1:].split()
        seq, ack, size, window = [*map(int, numbers), *[0, 0, 0, 65535][len(numbers) :]]
        ends = {"source": SERVER, "destination": CLIENT} if segment[0] == "<" else {}
        ports = (80, 1000) if segment[0] == "<" else (1000, 80)
        pair.compare(tcp(*ports, flags, seq, ack, data=bytes(size), window=window, **ends))
    connection = pair.trackers[0].find(tcp())
    assert connection.repeats == 1
