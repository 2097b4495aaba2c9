"""Hostile and honest traffic through one tracker: the honest must not notice.

    python benchmarks/soak.py --packets 1000000 --seed 1

Behind the firewall are honest clients, who ask names, load pages, send long datagrams and fetch
files by active FTP, and infected hosts, who flood and tell FTP's helper nonsense. Outside are
servers and everybody else: noise, spoiled recordings, attacks, fragments, and packets forged in the
name of an honest conversation by one who does not see its numbers. Every honest packet must get its
honest answer, nothing may enter the table that the rules do not admit, and what entered must leave
in time.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import deque
from pathlib import Path
from typing import Iterator  # noqa: UP035 - Python 3.9

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from builders import icmp, ip, tcp, udp
from honest import CONVERSATIONS, GREETING, NEW, RELATED, USER, WELCOME, Ends, Step, opening
from hostile import header, mutated, noise, recorded_packets
from statefulinspect import Action, Config, CtState, Ruleset, Tracker, Verdict

HONEST_AT_ONCE, INFECTED = 20, 8
HONEST_SHARE = 0.3  # of all packets
PAUSE = 0.1  # seconds between two packets at most; half on average
LONGEST = 125.0  # seconds: no unanswered or finished connection of this traffic lives longer
CHECK_EVERY = 5_000
INSIDE = ["10.50.0.0/16", "10.66.0.0/16"]
BABBLE = (b"PORT ", b"EPRT |1|", b"227 ", b"229 ", b"10,66,0,1,", b"192,0,2,1,", b"4,1", b"|||",
          b"\r\n", b"\n", b"(", b")", b"99999999999", b"\xff\xf4", b"\0", b"2049|")  # fmt: skip


class Soak:
    """Mix the traffic, and hold the tracker to what it promises."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tracker = Tracker(Ruleset.outbound(inside=INSIDE), Config())
        self.now = 0.0
        self.honest_packets = self.finished = self.begun = 0
        self.most_connections = self.most_expectations = 0
        self.openings: deque[float] = deque()
        self.recorded = recorded_packets()
        self.babbled = [(0, 0)] * INFECTED
        self.talks = deque(self.talk() for _ in range(HONEST_AT_ONCE))

    def talk(self) -> tuple[Ends, Iterator[Step]]:
        """Begin an honest conversation, on ports not used lately."""
        self.begun += 1
        host, port = divmod(self.begun, 25_000)
        ends = Ends(f"10.50.{host % 256}.7", 2000 + 2 * port, f"192.0.2.{self.begun % 9 + 1}", 80)
        return ends, self.dice.choice(CONVERSATIONS)(ends, self.dice)

    def run(self, packets: int) -> None:
        """Send so many packets."""
        for number in range(1, packets + 1):
            self.now += self.dice.random() * PAUSE
            if self.dice.random() < HONEST_SHARE:
                self.honest()
            else:
                self.hostile()
            if number % CHECK_EVERY == 0:
                self.check()
        self.check()

    def process(self, packet: bytes) -> Verdict:
        """Send a packet, and write down when it opens something."""
        verdict = self.tracker.process(packet, self.now)
        if verdict.action is Action.ACCEPT and verdict.ct_state in (NEW, RELATED):
            self.openings.append(self.now)
        return verdict

    def honest(self) -> None:
        """Let the next honest conversation go on by a packet."""
        ends, talk = self.talks.popleft()
        step = next(talk, None)
        if step is None:
            self.finished += 1
            self.talks.append(self.talk())
            return
        verdict = self.process(step.packet)
        answer = verdict.ct_state, verdict.direction, verdict.action, verdict.reason
        assert answer == step[1:], (ends, step, verdict)
        self.honest_packets += 1
        self.talks.append((ends, talk))

    def hostile(self) -> None:
        """Do harm, as far as that goes."""
        ways = [self.garbage, self.flood, self.forge, self.fragment, self.babble]
        self.dice.choices(ways, weights=[2, 2, 1, 1, 1])[0]()

    def garbage(self) -> None:
        """Send from outside what means little; the rules let none of it in."""
        kind = self.dice.random()
        packet = (
            mutated(self.dice, self.recorded)
            if kind < 0.4
            else header(self.dice)
            if kind < 0.9
            else noise(self.dice)
        )
        verdict = self.process(packet)
        is_inside = packet[12:14] in (b"\x0a\x32", b"\x0a\x42")
        assert verdict.action is Action.DROP or verdict.ct_state is CtState.UNTRACKED or is_inside

    def flood(self) -> None:
        """Open from an infected host, or towards the honest, what nobody will answer."""
        numbers = [self.dice.randrange(1, 65_536) for _ in range(3)]
        inside, outside = f"10.66.{numbers[2] % 256}.9", f"198.51.100.{numbers[2] % 254 + 1}"
        build = self.dice.choice((udp, lambda *a, **k: tcp(*a, "SYN", 1, **k)))
        packet = build(*numbers[:2], source=inside, destination=outside)
        if self.dice.random() < 0.5:
            packet = build(*numbers[:2], source=outside, destination="10.50.0.7")
        assert (self.process(packet).action is Action.ACCEPT) == (packet[13] == 66)

    def forge(self) -> None:
        """Speak in an honest server's name without having seen the conversation."""
        ends, _ = self.dice.choice(self.talks)
        flags = self.dice.choice(("SYN,FIN", "SYN,RST", "none", "FIN", "FIN,PSH,URG"))
        self.process(ends.answered(flags, self.dice.randrange(1 << 32), 0, b"forged"))
        self.process(udp(53, 53, b"forged", source=ends.server, destination=ends.client))
        self.process(icmp(8, source=ends.client, destination="255.255.255.255"))
        self.process(tcp(source=ends.server, destination=ends.server, flags="SYN"))

    def fragment(self) -> None:
        """Send a fragment whose others never come, or contradict it."""
        field = self.dice.randrange(12) | self.dice.choice((0, 0x2000, 0x1FF0))
        body = self.dice.randbytes(self.dice.randrange(1, 5) * 8)
        self.process(ip("203.0.113.9", "10.50.0.7", self.dice.choice((1, 6, 17)), body,
                        fragment=field))  # fmt: skip

    def babble(self) -> None:
        """Tell FTP's helper nonsense, over a connection that both ends of the plot keep open."""
        which = self.dice.randrange(INFECTED)
        ends = Ends(f"10.66.0.{which + 1}", 1025, "198.51.100.1", 21)
        seq, ack = self.babbled[which]
        if self.tracker.find(ends.sent("ACK", seq, ack)) is None:
            for step in opening(ends, 0, 0):
                self.process(step.packet)
            self.process(ends.answered("PSH,ACK", 1, 1, GREETING))
            seq, ack = 1 + len(USER), 1 + len(GREETING)
            self.process(ends.sent("PSH,ACK", 1, ack, USER))
            self.process(ends.answered("PSH,ACK", ack, seq, WELCOME))
            ack += len(WELCOME)
        words = b"".join(self.dice.choices(BABBLE, k=self.dice.randrange(1, 6)))
        words = self.dice.choice((words, words + b"\r\n", b"PORT 10,66,0,%d,8,1\r\n" % (which + 1)))
        if self.dice.random() < 0.5:
            self.process(ends.sent("PSH,ACK", seq, ack, words))
            seq += len(words)
            self.process(ends.answered("ACK", ack, seq))
        else:
            self.process(ends.answered("PSH,ACK", ack, seq, words))
            ack += len(words)
            self.process(ends.sent("ACK", seq, ack))
        self.babbled[which] = seq % (1 << 32), ack % (1 << 32)

    def check(self) -> None:
        """Assert that structures are sound, and that nothing is kept without need."""
        self.tracker.check()
        while self.openings and self.openings[0] < self.now - LONGEST:
            self.openings.popleft()
        connections, expectations = len(self.tracker), self.tracker.expectations
        assert connections <= len(self.openings) + HONEST_AT_ONCE * 2 + INFECTED, "too many"
        assert len({each.master for each in expectations}) == len(expectations), "FTP may have one"
        self.most_connections = max(self.most_connections, connections)
        self.most_expectations = max(self.most_expectations, len(expectations))


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began, soak = time.perf_counter(), Soak(arguments.seed)
    soak.run(arguments.packets)
    print(
        f"{arguments.packets} packets in {time.perf_counter() - began:.0f} s, {soak.now:.0f} s told"
    )
    print(f"{soak.honest_packets} honest ones of {soak.finished} conversations, all answered so")
    print(f"at most {soak.most_connections} connections, {soak.most_expectations} expectations")


if __name__ == "__main__":
    main()
