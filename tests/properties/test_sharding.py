"""Several trackers, each with the packets that `shard_key` gives it, answer what one would.

Drawn are talks between few hosts, what goes wrong with their packets, and the order in which all
of it arrives: TCP, UDP, pings, FTP and PPTP with what they announce, errors from hosts and routers,
and fragments. Real traffic and the scenarios are shared out too. Left out is what `shard_key` says
cannot be together.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import builders
from builders import gre, icmp, icmp_error, piece, tcp, udp
from conversation import Conversation, scenarios
from kernel.dialogues_pptp import asked, granted, message, started
from statefulinspect import Config, CtState, Reason, Ruleset, Tracker, shard_key
from test_captures import packets as captured

HELPERS = {21: "ftp", 1723: "pptp"}
CONFIGS = {"default": Config(helpers=HELPERS), "linux": Config.linux(helpers=HELPERS)}
HOSTS = {
    4: ["10.0.1.2", "10.0.1.3", "10.0.2.2", "10.0.2.3"],
    6: ["fd00:1::2", "fd00:1::3", "fd00:2::2", "fd00:2::3"],
}
ROUTERS = {4: ["192.0.2.1", "10.0.2.254"], 6: ["2001:db8::1", "fd00:2::fe"]}
UNREACHABLE = {4: 3, 6: 1}
OF_THIRD_HOSTS = {"E21. DCC: a port is read modulo 65536"}  # the file comes from another host
SCENARIOS = {
    title: text
    for file in sorted(Path(__file__).parent.parent.joinpath("scenarios").glob("*.txt"))
    for title, text in scenarios(file.read_text()).items()
    if title not in OF_THIRD_HOSTS
}
counts = st.integers(2, 5)


class Stream:
    """A TCP connection whose ends say what they are told to, in order."""

    def __init__(self, client, server, sport, dport):
        self.ends, self.ports, self.seq = (client, server), (sport, dport), [100, 500]

    def segment(self, is_reply, flags="PSH,ACK", data=b""):
        ends = self.ends[::-1] if is_reply else self.ends
        ports = self.ports[::-1] if is_reply else self.ports
        ack = self.seq[1 - is_reply] if "ACK" in flags else 0
        packet = tcp(*ports, flags, self.seq[is_reply], ack, data=data,
                     source=ends[0], destination=ends[1])  # fmt: skip
        self.seq[is_reply] += len(data) + ("SYN" in flags) + ("FIN" in flags)
        return packet

    def opened(self):
        return [self.segment(0, "SYN"), self.segment(1, "SYN,ACK"), self.segment(0, "ACK")]

    def closed(self):
        return [self.segment(0, "FIN,ACK"), self.segment(1, "FIN,ACK"), self.segment(0, "ACK")]


def talk_of_tcp(client, server, port):
    stream = Stream(client, server, port, 80)
    said = [stream.segment(0, data=bytes(60)), stream.segment(1, data=bytes(100))]
    return [*stream.opened(), *said, *stream.closed()]


def talk_of_udp(client, server, port):
    there, back = ways(client, server)
    question = udp(port, 53, bytes(40), **there)
    return [question, udp(53, port, bytes(90), **back), question]


def talk_of_ping(client, server, port):
    there, back = ways(client, server)
    asks, answers = (128, 129) if ":" in client else (8, 0)
    request = icmp(asks, id_=port, data=bytes(56), **there)
    return [request, icmp(answers, id_=port, data=bytes(56), **back), request]


def talk_of_ftp(client, server, port):
    """Transfer once actively and once passively."""
    control = Stream(client, server, port, 21)
    passive = Stream(client, server, port + 1000, port + 2000)
    active = Stream(server, client, 20, port + 3000)
    kind = 2 if ":" in client else 1
    return [
        *control.opened(),
        control.segment(1, data=b"220 hi\r\n"),
        control.segment(0, data=b"USER a\r\n"),
        control.segment(1, data=b"229 ok (|||%d|)\r\n" % (port + 2000)),
        *passive.opened(),
        passive.segment(1, data=bytes(100)),
        control.segment(0, data=f"EPRT |{kind}|{client}|{port + 3000}|\r\n".encode()),
        *active.opened(),
        active.segment(0, data=bytes(100)),
    ]


def talk_of_pptp(client, server, port):
    """Set a call up and use it; over IPv6 nobody reads this, and its packets are strangers."""
    there, back = ways(client, server)
    control = Stream(client, server, port, 1723)
    said = [(0, message(1)), (1, started()), (0, asked(7, 17)), (1, granted(8, 34, 17))]
    calls = [gre(34, **there), gre(17, **back), gre(34, **there)]
    return [*control.opened(), *(control.segment(way, data=data) for way, data in said), *calls]


def ways(client, server):
    return (
        {"source": client, "destination": server},
        {"source": server, "destination": client},
    )


TALKS = [talk_of_tcp, talk_of_udp, talk_of_ping, talk_of_ftp, talk_of_pptp]
fates = st.sampled_from([*["passes"] * 6, "lost", "again", "in pieces", "refused"])


class Drawing:
    """What arrives, packet by packet, as drawn."""

    def __init__(self, draw):
        self.draw, self.family, self.datagrams = draw, draw(st.sampled_from([4, 6])), 0

    def arrivals(self):
        """Shuffle the talks together, each in its own order, and let things go wrong."""
        talks = [self.talk() for _ in range(self.draw(st.integers(1, 4)))]
        arrived = []
        while any(talks):
            waiting = [talk for talk in talks if talk]
            talk = waiting[self.draw(st.integers(0, len(waiting) - 1))]
            arrived += self.fate(talk.pop(0))
        return arrived

    def talk(self):
        client, server = self.draw(st.permutations(HOSTS[self.family]))[:2]
        port = self.draw(st.sampled_from([2000, 2001]))
        return self.draw(st.sampled_from(TALKS))(client, server, port)

    def fate(self, packet):
        """Give what becomes of a packet on the way to the tracker."""
        fate = self.draw(fates)
        if fate == "lost":
            return []
        if fate == "again":
            return [packet, packet]
        if fate == "refused":
            return [packet, self.error(packet)]
        return self.pieces(packet) if fate == "in pieces" else [packet]

    def error(self, packet):
        """Quote a packet to its source, or seldom to somebody else."""
        at, size = (12, 4) if self.family == 4 else (8, 16)
        source, destination = packet[at : at + size], packet[at + size : at + 2 * size]
        sender = self.draw(st.sampled_from([builders.address(destination), *ROUTERS[self.family]]))
        receiver = self.draw(st.sampled_from([*[builders.address(source)] * 4, "other"]))
        receiver = HOSTS[self.family][0] if receiver == "other" else receiver
        cut = self.draw(st.sampled_from([None, None, 10, at + 2 * size, at + 2 * size + 8]))
        type_ = UNREACHABLE[self.family]
        return icmp_error(packet, type_, source=sender, destination=receiver, cut=cut)

    def pieces(self, packet):
        """Cut a packet in three, as far as it goes, in any order, maybe with one lost."""
        self.datagrams += 1
        size = len(packet) - (20 if self.family == 4 else 40)
        starts = range(0, size, 24)[:3]
        stops = [*starts[1:], size]
        cut = [piece(packet, *part, id_=self.datagrams) for part in zip(starts, stops)]
        cut = self.draw(st.permutations(cut))
        return cut[: len(cut) - self.draw(st.sampled_from([0, 0, 0, 1]))]


@st.composite
def traffic(draw):
    """Draw packets with their times."""
    now, timed = 0.0, []
    for packet in Drawing(draw).arrivals():
        now += draw(st.sampled_from([0.0, 0.01, 0.01, 0.01, 1.0, 31.0]))
        timed.append((now, packet))
    return timed


def told(verdict):
    return verdict.action, verdict.ct_state, verdict.direction, verdict.reason, verdict.held


def compare(timed, count, config, rules=None):
    """Give each packet to one tracker and to one of many; all that they tell must be the same.

    A packet may come with words that `process` takes.
    """
    one, many = Tracker(rules, config), [Tracker(rules, config) for _ in range(count)]
    verdicts = []
    for now, packet, *words in timed:
        options = words[0] if words else {}
        shard = many[shard_key(packet) % count]
        verdict, expected = (each.process(packet, now, **options) for each in (shard, one))
        assert told(verdict) == told(expected), packet.hex()
        verdicts.append(expected)
    end = timed[-1][0] if timed else 0.0
    for tracker in [one, *many]:
        tracker.check()
        tracker.expire(end)
    lines = [each.to_conntrack(end) for tracker in many for each in tracker]
    assert sorted(lines) == sorted(each.to_conntrack(end) for each in one)
    return verdicts


@pytest.mark.parametrize("config", CONFIGS)
@given(timed=traffic(), count=counts)
def test_several_answer_what_one_would(config, timed, count):
    for verdict in compare(timed, count, CONFIGS[config]):
        event(verdict.ct_state.value)


@given(timed=traffic(), count=counts)
def test_several_with_rules_answer_what_one_would(timed, count):
    rules = Ruleset.outbound(inside=["10.0.1.0/24", "fd00:1::/64"])
    compare(timed, count, CONFIGS["default"], rules)


@pytest.mark.parametrize("name", ["office", "ftp-active", "ftp-passive", "ping"])
@pytest.mark.parametrize("count", [2, 7])
def test_several_answer_real_traffic_as_one_would(name, count):
    compare(captured(name), count, Config())


@pytest.mark.parametrize("title", SCENARIOS)
def test_several_answer_a_scenario_as_one_would(title):
    played = Conversation(SCENARIOS[title])
    timed = [(step.at, step.packet, step.options) for step in played.steps]
    compare(timed, 8, played.config, played.rules)


@pytest.mark.parametrize("family", [4, 6])
def test_the_talks_mean_what_they_say(family):
    """What is announced is RELATED, so that the property would see it come to the wrong tracker."""
    client, server = HOSTS[family][:2]
    related = []
    for talk in TALKS:
        packets = talk(client, server, 2000)
        error = icmp_error(
            packets[0], UNREACHABLE[family], source=ROUTERS[family][0], destination=client
        )
        timed = [(0.0, packet) for packet in [*packets, error]]
        verdicts = compare(timed, 16, CONFIGS["linux"])
        assert verdicts[-1].reason is Reason.ERROR_ABOUT_CONNECTION
        assert all(each.ct_state is not CtState.INVALID for each in verdicts)
        related.append(sum(each.ct_state is CtState.RELATED for each in verdicts[:-1]))
    assert related == [0, 0, 0, 2, 1 if family == 4 else 0]
