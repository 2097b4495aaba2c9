"""Whatever is said on a helped connection: nothing raises, and nothing opens but what was told.

The oracle for FTP knows no segments, sessions or memory. It reads commands as RFC 959 and RFC 2428
write them, with Linux's leniency about numbers that are too large.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import builders
from builders import CLIENT, CLIENT6, SERVER, SERVER6, packed
from kernel.dialogues_pptp import asked, granted, message, started
from statefulinspect import Config, HelperPolicy, Tracker
from statefulinspect.helpers import NetbiosNsHelper, make_helpers

TCP_PORTS = {"ftp": 21, "irc": 6667, "sane": 6566, "pptp": 1723, "sip": 5060}
UDP_PORTS = {"tftp": 69, "amanda": 10080, "sip": 5060, "netbios-ns": 137}
NETBIOS = NetbiosNsHelper(["10.0.2.0/30"])  # of which the server has the broadcast address
ALL = {
    **{("tcp", port): name for name, port in TCP_PORTS.items()},
    **{("udp", port): name for name, port in UDP_PORTS.items()},
}
PORTS = {port: NETBIOS if name == "netbios-ns" else name for (_, port), name in ALL.items()}
LAX = {"verify_checksums": False, "helpers": PORTS}
CONFIGS = {
    "default": Config(helpers=PORTS),
    "reassembling": Config(helpers=PORTS, helper_policy=HelperPolicy(reassembles=True)),
    "linux": Config.linux(**LAX),
    "linux, reassembling": Config.linux(**LAX, helper_policy=HelperPolicy.linux(reassembles=True)),
}
ENDS = {4: (CLIENT, SERVER), 6: (CLIENT6, SERVER6)}
GREETING, USER = b"220 hi\r\n", b"USER a\r\n"

SAID = [
    b"PORT ", b"10,0,1,2,", b"4,1", b"EPRT ", b"|1|10.0.1.2|1025|", b"|2|fd00:1::2|1025|", b"\r\n",
    b"\n", b"\r", b"227 ", b"229 ", b"(", b"|||1025|)", b"10,0,2,2,200,7", b")", b"999", b",", b"|",
    b"0", b"65536",
    # The others are for the other helpers.
    b"PRIVMSG x :\x01DCC SEND f 167772418 5000 1\x01\n", b"NICK me\r\n",
    b"\0\0\0\7", b"\0\0\0\0\0\0\x13\x88", b"\0\1f\0octet\0", b"\0\2",
    b"CONNECT ", b"DATA 5000 ",
    b"INVITE sip:x@10.0.2.2 SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n",
    b"REGISTER sip:10.0.2.2 SIP/2.0\r\n", b"CSeq: 1 INVITE\r\n", b"CSeq: 1 REGISTER\r\n",
    b"Contact: <sip:a@10.0.1.2:5070>\r\n", b"Expires: 60\r\n", b"Content-Length: 0\r\n\r\n",
    b"v=0\r\nc=IN IP4 10.0.1.2\r\nm=audio 5000 RTP/AVP 0\r\n",
    started(), message(1), asked(7, 5), granted(8, 6, 5),
]  # fmt: skip
PAYLOADS = st.lists(st.sampled_from(SAID) | st.binary(max_size=12), max_size=8).map(b"".join)
TALKS = st.lists(st.tuples(st.booleans(), PAYLOADS, st.floats(0, 200)), max_size=12)


class Talk:
    """A connection whose both ends say what they are told to, in order."""

    def __init__(self, config, protocol, port, family=4):
        self.tracker, self.protocol, self.port = Tracker(config=config), protocol, port
        self.ends, self.now, self.seq = ENDS[family], 0.0, [100, 500]
        if protocol == "tcp":
            for is_reply, flags in ((0, "SYN"), (1, "SYN,ACK"), (0, "ACK")):
                self.segment(is_reply, flags)

    def segment(self, is_reply, flags="PSH,ACK", data=b""):
        way = self._way(is_reply)
        ack = self.seq[1 - is_reply] if "ACK" in flags else 0
        packet = builders.tcp(flags=flags, seq=self.seq[is_reply], ack=ack, data=data, **way)
        self.seq[is_reply] += len(data) + ("SYN" in flags)
        return self.tracker.process(packet, self.now)

    def _way(self, is_reply):
        ports = (self.port, 40_000) if is_reply else (40_000, self.port)
        ends = self.ends[::-1] if is_reply else self.ends
        return {"sport": ports[0], "dport": ports[1], "source": ends[0], "destination": ends[1]}

    def say(self, is_reply, data, pause=0.0):
        """Let one end say something; tell what is expected that was not expected before."""
        self.now += pause
        before = set(self.tracker.expectations)
        if self.protocol == "tcp":
            self.segment(int(is_reply), data=data)
        else:
            self.tracker.process(builders.udp(data=data, **self._way(is_reply)), self.now)
        self.tracker.check()
        return [each for each in self.tracker.expectations if each not in before]


def at_most(name):
    helper = {**make_helpers(HelperPolicy()), "netbios-ns": NETBIOS}[name]
    return sum(policy.at_most for policy in helper.policies.values())


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(("protocol", "port"), ALL, ids=str)
@given(talk=TALKS, family=st.sampled_from([4, 6]))
def test_nobody_else_is_opened(config, protocol, port, talk, family):
    """Only the two who talk are ever expected, no more of it than the policy says, in time."""
    named = Talk(CONFIGS[config], protocol, port, family)
    ends = [packed(end) for end in named.ends]
    for is_reply, data, pause in talk:
        for each in named.say(is_reply, data, pause):
            assert each.destination in ends
            is_open = config.startswith("linux") or each.destination_port is None
            assert is_open or each.destination_port >= 1024
        per_master = [each.master for each in named.tracker.expectations]
        most = max(map(per_master.count, per_master), default=0)
        assert most <= at_most(ALL[protocol, port])
    named.tracker.expire(1e9)
    assert len(named.tracker) == len(named.tracker.expectations) == 0


def told_by(is_reply, data):
    """Give the (address, port) pairs that a payload may announce by FTP's grammar."""
    if is_reply:
        plain = re.finditer(rb"(?<!\d)(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", data)
        extended = re.finditer(rb"\((.)\1\1(\d+)\1", data)
        found = {(None, int(each[2]) % 65_536) for each in extended if data[:4] == b"229 "}
        plain = plain if data[:4] == b"227 " else ()
    else:
        plain = re.finditer(rb"(?i)^PORT (\d+),(\d+),(\d+),(\d+),(\d+),(\d+)[\r\n]", data)
        extended = re.finditer(rb"(?i)^EPRT (.)([12])\1([0-9a-fA-F.:]+)\1(\d+)\1", data)
        found = {(_address(each[3]), int(each[4]) % 65_536) for each in extended}
    for each in plain:
        a, b, c, d, high, low = map(int, each.groups())
        whole = (a << 24 | b << 16 | c << 8 | d) & 0xFFFF_FFFF
        found.add((whole.to_bytes(4, "big"), (high << 8 | low) & 0xFFFF))
    return found


def _address(text):
    try:
        return ip_address(text.decode()).packed
    except ValueError:
        return b""


FTP_WORDS = st.lists(st.sampled_from(SAID[:20]) | st.binary(max_size=4), max_size=7).map(b"".join)
NUMBERS = st.integers(0, 300) | st.integers(0, 255)
LINES = st.one_of(
    FTP_WORDS,
    st.tuples(NUMBERS, NUMBERS).map(lambda p: b"PORT 10,0,1,2,%d,%d\r\n" % p),
    st.tuples(NUMBERS, NUMBERS).map(lambda p: b"227 ok (10,0,2,2,%d,%d)\r\n" % p),
    st.integers(0, 70_000).map(lambda port: b"229 ok (|||%d|)\r\n" % port),
    st.integers(0, 70_000).map(lambda port: b"EPRT |1|10.0.1.2|%d|\r\n" % port),
    st.integers(0, 70_000).map(lambda port: b"EPRT |2|fd00:1::2|%d|\r\n" % port),
)


@pytest.mark.parametrize("config", ["default", "linux"])
@given(talk=st.lists(st.tuples(st.booleans(), LINES), max_size=10), family=st.sampled_from([4, 6]))
@example(talk=[(1, b"227 (10,0,2,2,4,1)\r\n")], family=4)
def test_ftp_expects_only_what_its_grammar_says(config, talk, family):
    control = Talk(CONFIGS[config], "tcp", 21, family)
    control.say(1, GREETING)
    control.say(0, USER)
    for is_reply, data in talk:
        end = packed(control.ends[is_reply])
        for each in control.say(is_reply, data):
            told = told_by(is_reply, data)
            assert each.destination == end
            assert (end, each.destination_port) in told or (None, each.destination_port) in told


@pytest.mark.parametrize("config", ["default", "linux"])
@given(port=st.integers(1024, 65_535), family=st.sampled_from([4, 6]), is_reply=st.booleans())
def test_ftp_expects_all_that_is_told_properly(config, port, family, is_reply):
    control = Talk(CONFIGS[config], "tcp", 21, family)
    control.say(1, GREETING)
    control.say(0, USER)
    end = control.ends[is_reply]
    numbers = f"{end.replace('.', ',')},{port >> 8},{port & 255}"
    lines = {
        (4, False): [f"PORT {numbers}\r\n", f"EPRT |1|{end}|{port}|\r\n"],
        (4, True): [f"227 Entering ({numbers}).\r\n", f"229 Entering (|||{port}|)\r\n"],
        (6, False): [f"EPRT |2|{end}|{port}|\r\n"],
        (6, True): [f"229 Entering (|||{port}|)\r\n"],
    }[family, is_reply]
    for line in lines:
        control.say(is_reply, line.encode())
        found = [(each.destination, each.destination_port) for each in control.tracker.expectations]
        assert found == [(packed(end), port)]
