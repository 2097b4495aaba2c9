"""The four bounds: just inside and just outside each, wherever the numbers wrap."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, tcp
from statefulinspect import Config, CtState, Reason, Tracker

M32 = 0xFFFF_FFFF
WINDOW = 5000

# Where the client's and the server's numbers begin: plain, and so that each bound wraps.
STARTS = [
    (1000, 900_000),
    (M32 - 2, M32 - 3),
    (M32 - WINDOW, M32 - 66_000),
    (M32 - WINDOW + 1, 65_999),
    ((1 << 31) - 4, (1 << 31) - 66_001),
    (0, 0),
]


class Talk:
    """An established connection whose ends have offered `WINDOW` each; numbers are relative."""

    def __init__(self, client: int, server: int, config: Config | None = None) -> None:
        self.starts = {">": client & M32, "<": server & M32}
        self.tracker = Tracker(config=config or Config.linux(verify_checksums=False))
        self.now = 0.0
        self.send(">", "SYN", -1, None)
        self.send("<", "SYN,ACK", -1, 0)
        assert self.send(">", "ACK", 0, 0) == "OK"

    def send(self, way: str, flags: str, seq: int, ack: int | None, data: int = 0, **more) -> str:
        """Send a segment; `seq` and `ack` count from the first octet of each side's data."""
        other = "<" if way == ">" else ">"
        ends = {"source": CLIENT, "destination": SERVER, "sport": 1000, "dport": 80}
        if way == "<":
            ends = {"source": SERVER, "destination": CLIENT, "sport": 80, "dport": 1000}
        packet = tcp(
            flags=flags,
            seq=(self.starts[way] + seq) & M32,
            ack=0 if ack is None else (self.starts[other] + ack) & M32,
            data=bytes(data),
            **{"window": WINDOW, **ends, **more},
        )
        self.now += 0.01
        verdict = self.tracker.process(packet, self.now)
        self.tracker.check()
        assert (verdict.ct_state is CtState.INVALID) == (verdict.reason.effect.name == "REFUSE")
        return verdict.reason.name


@pytest.fixture(params=STARTS, ids=lambda starts: f"{starts[0]:#x}-{starts[1]:#x}")
def talk(request) -> Talk:
    return Talk(*request.param)


def test_1_data_may_begin_at_the_end_of_the_window(talk):
    assert talk.send(">", "ACK", WINDOW, 0) == "OK"


def test_1_one_beyond_is_ignored(talk):
    assert talk.send(">", "ACK", WINDOW + 1, 0) == "SEQ_JUST_ABOVE_WINDOW"


def test_1_the_overshoot_that_is_ignored_ends_a_window_further(talk):
    assert talk.send(">", "ACK", WINDOW + 1, 0, data=WINDOW - 2) == "SEQ_JUST_ABOVE_WINDOW"


def test_1_one_more_is_refused(talk):
    assert talk.send(">", "ACK", WINDOW + 1, 0, data=WINDOW - 1) == "SEQ_ABOVE_WINDOW"


def test_1_an_overshoot_that_breaks_another_bound_is_refused(talk):
    assert talk.send(">", "ACK", WINDOW + 1, 1) == "SEQ_ABOVE_WINDOW"
    assert talk.send(">", "ACK", WINDOW + 1, -66_001) == "SEQ_ABOVE_WINDOW"


def test_3_all_that_was_sent_may_be_acknowledged(talk):
    assert talk.send(">", "ACK", 0, 0, data=10) == "OK"
    assert talk.send("<", "ACK", 0, 10) == "OK"


def test_3_one_more_is_refused(talk):
    assert talk.send(">", "ACK", 0, 0, data=10) == "OK"
    assert talk.send("<", "ACK", 0, 11) == "ACK_ABOVE_SENT"


def test_2_data_may_end_a_window_back(talk):
    assert talk.send(">", "ACK", 0, 0, data=100) == "OK"
    assert talk.send("<", "ACK", 0, 100) == "OK"
    assert talk.send(">", "ACK", 100 - WINDOW - 1, 0, data=1) == "OK"


def test_2_one_further_back_is_ignored(talk):
    assert talk.send(">", "ACK", 0, 0, data=100) == "OK"
    assert talk.send("<", "ACK", 0, 100) == "OK"
    assert talk.send(">", "ACK", 100 - WINDOW - 2, 0, data=1) == "SEQ_BELOW_WINDOW"


def test_4_an_acknowledgement_may_lie_66000_back(talk):
    assert talk.send(">", "ACK", 0, -66_000) == "OK"


def test_4_one_further_back_is_ignored(talk):
    assert talk.send(">", "ACK", 0, -66_001) == "ACK_BELOW_WINDOW"


def test_4_a_larger_window_reaches_further_back():
    scaled = bytes.fromhex("01030307")
    talk = Talk(1000, 5000)
    talk.send(">", "RST", 0, None)
    talk.send(">", "SYN", -1, None, options=scaled)
    talk.send("<", "SYN,ACK", -1, 0, options=scaled)
    assert talk.send(">", "ACK", 0, 0, window=1000) == "OK"
    assert talk.send(">", "ACK", 0, -128_000) == "OK"
    assert talk.send(">", "ACK", 0, -WINDOW * 128 - 1) == "ACK_BELOW_WINDOW"


def test_liberal_lets_every_bound_be_broken(talk):
    policy = Config.linux(verify_checksums=False).tcp
    config = Config.linux(verify_checksums=False, tcp=type(policy)(loose=True, be_liberal=True))
    liberal = Talk(*talk.starts.values(), config)
    assert liberal.send(">", "ACK", WINDOW * 9, 0) == "OK"
    assert liberal.send(">", "ACK", 0, 99) == "OK"
    assert liberal.send(">", "ACK", -WINDOW * 9, 0) == "OK"
    assert liberal.send(">", "ACK", 0, -99_000) == "OK"


def test_a_window_is_shifted_only_behind_the_syn():
    scaled = bytes.fromhex("01030302")
    talk = Talk(1, 1)
    talk.send(">", "RST", 0, None)
    talk.send(">", "SYN", -1, None, options=scaled)
    talk.send("<", "SYN,ACK", -1, 0, options=scaled)
    assert talk.send(">", "ACK", WINDOW + 1, 0) == "SEQ_JUST_ABOVE_WINDOW"
    assert talk.send("<", "ACK", 0, 0) == "OK"
    assert talk.send(">", "ACK", 4 * WINDOW, 0) == "OK"
    assert talk.send(">", "ACK", 4 * WINDOW + 1, 0) == "SEQ_JUST_ABOVE_WINDOW"


def test_a_sack_block_above_what_was_sent_is_refused():
    permitted = bytes.fromhex("04020101")
    talk = Talk(1000, 5000)
    talk.send(">", "RST", 0, None)
    talk.send(">", "SYN", -1, None, options=permitted)
    talk.send("<", "SYN,ACK", -1, 0, options=permitted)
    talk.send(">", "ACK", 0, 0, data=20)
    first = (1000 + 10).to_bytes(4, "big")
    for edge, reason in ((20, Reason.OK), (21, Reason.ACK_ABOVE_SENT)):
        block = bytes.fromhex("0101050a") + first + (1000 + edge).to_bytes(4, "big")
        assert talk.send("<", "ACK", 0, 0, options=block) == reason.name


def test_data_across_the_edge_widens_the_window_it_was_offered(talk):
    assert talk.send(">", "ACK", WINDOW - 10, 0, data=100) == "OK"
    assert talk.send(">", "ACK", -1, 0, data=1) == "OK"
    assert talk.send(">", "ACK", -2, 0, data=1) == "SEQ_BELOW_WINDOW"


def test_two_windows_that_have_wrapped_to_nothing_begin_anew(talk):
    """32-bit windows that grow for ever wrap, as in Linux: then neither side is known."""
    connection = talk.tracker.find(tcp())
    for side in (connection.original_side, connection.reply_side):
        side.max_window, side.next_seq = 0, -1
    assert talk.send(">", "ACK", 500_000, 300_000) == "OK"
    assert connection.reply_side.end == (talk.starts["<"] + 300_000) & M32
