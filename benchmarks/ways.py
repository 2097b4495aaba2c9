"""Send the same traffic the faster ways and the full way: nobody may be able to tell them apart.

    python benchmarks/ways.py --packets 1000000 --seed 1

Each seed is a small universe: traffic that goes wrong as often as it likes (`crooked`); a ruleset,
a configuration, of every other one bounds so small that they are met; and a program that does more
with its tracker than send packets. After each packet verdicts and deadlines are compared, and again
and again all that both trackers know, and what a trace tells with what then becomes of the packet.
What differs is told with its seed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from crooked import Come, Traffic
from drawn import draw_ruleset
from fullway import FullWay, known_of, snapshot
from statefulinspect import (
    Config,
    Connection,
    DosPolicy,
    Limits,
    Reason,
    Ruleset,
    TcpPolicy,
    Timeouts,
    Tracker,
    Verdict,
    fates,
    folded,
    keeper,
    openings,
    wheel,
)
from statefulinspect.folded import HELD
from statefulinspect.rules.engine import foretelling, index

RULESETS = Path(__file__).parent.parent / "tests" / "rulesets" / "real"
PACKETS = 1000  # of one universe
PAUSES = (0.0, 0.001, 0.01, 0.01, 0.01, 0.5)
LONG_PAUSES = (2.5, 31.0, 119.0, 301.0, 4000.0, 500_000.0)
# By a trace: helpers do not read, and nothing that has expired is removed.
UNTOLD = {each for each in Reason if each.name.startswith("HELPER")}
UNTOLD |= {Reason.TABLE_FULL, Reason.SOURCE_FULL, Reason.FRAGMENTS_FULL}
SMALL: dict[Any, dict[str, int]] = {
    fates: {"SORTS_AT_MOST": 3}, keeper: {"SWEEP_AT_MOST": 2}, folded: {"WANTED": 0},
    openings: {"FEW": 1, "WANTED": 0, "PACKETS": 3},
    wheel: {"EMPTY_AT_MOST": 2}, foretelling: {"WALKS_AT_MOST": 2},
    index: {"KEYS_AT_MOST": 3, "WORDS_AT_MOST": 2, "PLANS": 1, "SPARE_ROOM": 1},
}  # fmt: skip


BEFORE_TRACKING = """
table inet early {
  chain prerouting {
    type filter hook prerouting priority raw
    tcp dport 80 counter accept
    iifname "lan0" udp dport 53 counter
    ip saddr 10.0.1.3 udp dport 53 notrack
    meta mark 7 tcp flags syn limit rate 20/second counter
    ip daddr 10.0.2.2 meta l4proto icmp counter drop
  }
}
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop
    ct state established,related,untracked counter accept
    tcp dport { 21, 80 } counter accept
    meta l4proto { udp, icmp, icmpv6 } accept
  }
}
"""


@lru_cache(maxsize=1)
def rulesets() -> list[tuple[str, Ruleset]]:
    """Read the rulesets of the tests, each with its text; the first three are made without one."""
    texts = [path.read_text() for path in sorted(RULESETS.glob("*.nft"))]
    own = [Ruleset.default(), Ruleset.outbound(inside=["10.0.1.0/24", "fd00:1::/64"])]
    own.append(Ruleset.parse(BEFORE_TRACKING))
    read = [(text, Ruleset.parse(text, unsupported="ignore")) for text in texts]
    return [("", each) for each in own] + read


def draw_rules(dice: random.Random) -> tuple[str, Ruleset]:
    """Draw a ruleset and its text: one of those, or one that nobody would write."""
    share = dice.random()
    if share < 0.4:
        text = draw_ruleset(dice)
        return text, Ruleset.parse(text)
    return dice.choice(rulesets()[:3] if share < 0.7 else rulesets())


def draw_config(dice: random.Random) -> Config:
    """Configure: mostly as usual, and each time something else not."""
    limits = (*[Limits()] * 6, Limits(max_connections=9), Limits(max_half_open=4),
              Limits(max_per_source=3), Limits(new_per_second_per_source=2),
              Limits(max_connections=12, adaptive_start=5, adaptive_end=20))  # fmt: skip
    policies = (TcpPolicy(), TcpPolicy(), TcpPolicy(loose=False), TcpPolicy(max_retrans=0),
                TcpPolicy(max_retrans=1, be_liberal=True))  # fmt: skip
    return Config(
        limits=dice.choice(limits),
        tcp=dice.choice(policies),
        timeouts=dice.choice((Timeouts(), Timeouts(tcp_established=200, tcp_unacknowledged=7))),
        dos=dice.choice((DosPolicy(), DosPolicy(), DosPolicy(networks=["10.0.2.0/24"]))),
        helpers=dice.choice(({}, {}, {21: "ftp"})),
        events=dice.random() < 0.2,
        verify_checksums=dice.random() < 0.2,
        accounting=dice.random() < 0.5,
    )


class Universe:
    """Hold two trackers to the same answers."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        text, rules = draw_rules(dice)
        config = draw_config(dice)
        self.trackers = Tracker(rules, config), FullWay(rules, config)
        self.traffic, self.now = Traffic(dice, text), 1000.0

    def run(self, packets: int) -> None:
        """Send so many packets, and do other things between them."""
        calls = [self.find, self.trace, self.look, self.write, self.delete, self.expire, self.tell]
        for _ in range(packets):
            self.now += self.dice.choice(LONG_PAUSES if self.dice.random() < 0.005 else PAUSES)
            self.send(self.traffic.draw())
            self.both(deadlines)
            if self.dice.random() < 0.1:
                self.dice.choice(calls)()
        self.look()
        self.tell()

    def send(self, come: Come) -> tuple[object, ...]:
        """Have a packet judged by both, or refused; give what is told of that."""
        given = self.dice.choice((bytes, bytes, bytes, bytearray, memoryview))(come.packet)
        one, other = (judged(tracker, given, self.now, **come.context) for tracker in self.trackers)
        assert one == other, (come, one, other)
        if Reason.TCP_MIDSTREAM in one:
            self.traffic.forget()
        return one

    def both(self, ask: Callable[[Tracker], object]) -> None:
        """Ask both; they must say the same."""
        one, other = map(ask, self.trackers)
        assert one == other, (one, other)

    def find(self) -> None:
        """Find the connection of a packet."""
        packet, zone = self.dice.choice(self.traffic.drawn), self.dice.choice((0, 0, 1))
        self.both(lambda tracker: str(tracker.find(packet, zone=zone)))

    def trace(self) -> None:
        """Ask what would become of a packet, and have it come."""
        come = self.traffic.draw()
        if come.context.get("hook") == "nowhere":
            return
        self.both(lambda tracker: str(tracker.trace(come.packet, self.now, **come.context)))
        foretold = told(self.trackers[0].trace(come.packet, self.now, **come.context).verdict)
        became = self.send(come)
        if not {foretold[3], became[3]} & UNTOLD:
            assert foretold[:6] == became[:6], (come, foretold, became)

    def write(self) -> None:
        """Mark a connection."""
        number = self.dice.randrange(5)
        for tracker in self.trackers:
            for connection in list(tracker)[number : number + 1]:
                connection.mark, connection.labels = number, 1 << number

    def delete(self) -> None:
        """Remove a connection, seldom all, and compare what is left in the hands of who has it."""
        number, is_all = self.dice.randrange(40), self.dice.random() < 0.03
        removed = []
        for tracker in self.trackers:
            known = list(tracker) if is_all else list(tracker)[number : number + 1]
            for connection in known:
                tracker.delete(connection)
            removed.append(str(list(map(known_of, known))))
        assert removed[0] == removed[1], removed

    def expire(self) -> None:
        """Remove what has expired."""
        at_most = self.dice.choice((None, 0, 1, 3))
        one, other = (tracker.expire(self.now, at_most) for tracker in self.trackers)
        assert one == other or at_most is not None  # which are looked at first may differ then
        self.both(len)

    def look(self) -> None:
        """Compare what is known of connections."""
        self.both(lambda tracker: [each.to_conntrack(self.now) for each in tracker])
        self.both(lambda tracker: str(snapshot(tracker)))
        self.both(lambda tracker: list(map(str, tracker.expectations)))

    def tell(self) -> None:
        """Compare what is told otherwise, and check what is kept."""
        self.both(lambda tracker: str(tracker.ruleset))
        self.both(lambda tracker: list(map(str, tracker.events())))
        self.both(lambda tracker: tracker.next_expiry_at)
        for tracker in self.trackers:
            tracker.check()


def judged(tracker: Tracker, packet: bytes, now: float, **context: Any) -> tuple[object, ...]:
    """List what a verdict tells, or why there is none."""
    try:
        return told(tracker.process(packet, now, **context))
    except ValueError as error:
        return (str(error),)


def told(verdict: Verdict) -> tuple[object, ...]:
    """List what a verdict tells, without having its connection made, as reading a SYN's would."""
    fate = verdict.action, verdict.ct_state, verdict.direction, verdict.reason
    held = HELD.__get__(verdict)
    key = held.original_side.key if isinstance(held, Connection) else held and held.key
    return *fate, verdict.rule, verdict.held, key, held and held.created_at


def deadlines(tracker: Tracker) -> list[float]:
    """List when connections expire, without having any made."""
    return [each.expires_at for each in tracker._table.holders()]


def compare(seed: int, packets: int = PACKETS) -> None:
    """Let a universe run; AssertionError where something differs, and its seed is told."""
    with ExitStack() as stack:
        for module, bounds in SMALL.items() if seed % 2 else ():
            stack.enter_context(mock.patch.multiple(module, **bounds))
        try:
            Universe(seed).run(packets)
        except Exception:
            print(f"seed {seed}:", file=sys.stderr)
            raise


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began, universes = time.perf_counter(), max(1, arguments.packets // PACKETS)
    for seed in range(arguments.seed, arguments.seed + universes):
        compare(seed)
    print(f"{universes * PACKETS} packets in {universes} universes: no difference")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
