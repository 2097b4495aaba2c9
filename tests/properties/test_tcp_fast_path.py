"""The abbreviated way of `process` gives what the full way gives, to the last field."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, tcp
from statefulinspect import Config, Timeouts, Tracker
from statefulinspect.packet import decode

M32 = 0xFFFF_FFFF
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
SACK = bytes.fromhex("0101050a")
SYN_OPTIONS = [b"", bytes.fromhex("04020101"), bytes.fromhex("0402080a0000000100000000010303 07")]


class FullWay(Tracker):
    """A tracker that takes no abbreviation."""

    def process(self, packet, now, **context):
        if now > self._now:
            if now >= self._wheel.next_tick_at:
                self._sweep(now)
            self._now = now
        return self._classify(decode(packet, **context), self._now)


def fields(record, without):
    return {
        field.name: getattr(record, field.name)
        for field in attrs.fields(type(record))
        if field.name not in without
    }


def snapshot(tracker):
    """Everything that a tracker knows, but the hot path's own number and the filing."""
    links = {"connection", "other", "verdict", "next_seq", "original_side", "reply_side"}
    links |= {"machine", "filed_at"}
    return [[fields(each, links) for each in (c, c.original_side, c.reply_side)] for c in tracker]


@st.composite
def segments(draw):
    """Segments near the next in order: mostly exactly next, else a little or far off."""
    return draw(
        st.lists(
            st.tuples(
                st.booleans(),
                st.sampled_from(
                    ["ACK"] * 8 + ["PSH,ACK", "ACK,ECE", "ACK,URG", "FIN,ACK", "RST", "SYN"]
                ),
                st.sampled_from([0] * 12 + [1, -1, 100, 70_000, 1 << 31]),
                st.sampled_from([0] * 12 + [-1, 1, -500, -66_000, -66_001, 1 << 31]),
                st.sampled_from([0, 0, 1, 100, 1448]),
                st.sampled_from([65535, 65535, 0, 1000, 200]),
                st.sampled_from([b"", b"", TIMESTAMPS, SACK]),
                st.sampled_from([0, 0.01, 1, 250, 400, 3700]),
            ),
            max_size=40,
        )
    )


@given(
    segments(),
    st.integers(0, M32),
    st.sampled_from([0, M32, 1 << 31, 12345]),
    st.sampled_from(SYN_OPTIONS),
    st.booleans(),
    st.booleans(),
)
def test_both_ways_agree(steps, client_start, server_start, options, linux, is_ipv6):
    config = Config.linux(verify_checksums=False) if linux else Config(timeouts=Timeouts(udp=1))
    pair = Tracker(config=config), FullWay(config=config)
    ends = (CLIENT6, SERVER6) if is_ipv6 else (CLIENT, SERVER)
    numbers = [client_start, server_start]
    now = 0.0

    def send(is_reply, flags, off, ack_off, size, window, option, pause):
        nonlocal now
        now += pause
        source, destination = ends[::-1] if is_reply else ends
        sport, dport = (80, 1000) if is_reply else (1000, 80)
        if option == SACK:
            edge = numbers[not is_reply]
            option = SACK + ((edge - 10) & M32).to_bytes(4, "big") + edge.to_bytes(4, "big")
        packet = tcp(
            sport, dport, flags, (numbers[is_reply] + off) & M32,
            0 if flags in ("SYN", "RST") else (numbers[not is_reply] + ack_off) & M32,
            source=source, destination=destination, window=window, options=option, data=bytes(size),
        )  # fmt: skip
        answers = [tracker.process(packet, now) for tracker in pair]
        told = [
            (a.action, a.ct_state, a.direction, a.reason, a.connection is None) for a in answers
        ]
        assert told[0] == told[1]
        assert snapshot(pair[0]) == snapshot(pair[1])
        if off == 0 and answers[0].connection is not None:
            numbers[is_reply] = (
                numbers[is_reply] + size + ("SYN" in flags) + ("FIN" in flags)
            ) & M32

    send(0, "SYN", 0, 0, 0, 65535, options, 0)
    send(1, "SYN,ACK", 0, 0, 0, 65535, options, 0.01)
    send(0, "ACK", 0, 0, 0, 65535, b"", 0.01)
    for step in steps:
        send(*step)
    for tracker in pair:
        tracker.check()
