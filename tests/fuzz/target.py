"""What a fuzzer's bytes mean: which tracker, and then packets, each after a pause.

    temper (1 octet) | pause (1 octet) | length (2 octets) | packet | pause | length | packet ...

Lengths stand before packets, so that a fuzzer can spoil one packet without moving the others.
Every string of bytes means something; what is cut off at the end is a packet cut short.
"""

from __future__ import annotations

from statefulinspect import Config, HelperPolicy, Limits, Ruleset, TcpPolicy, Tracker
from statefulinspect.helpers import NetbiosNsHelper

PAUSES = (0.0, 0.001, 0.3, 1.0, 2.5, 11.0, 31.0, 61.0, 121.0, 301.0, 4000.0, -5.0)
HELPERS = {
    21: "ftp",
    69: "tftp",
    137: NetbiosNsHelper(["10.0.0.0/8"]),
    1723: "pptp",
    6566: "sane",
    5060: "sip",
    6667: "irc",
    10080: "amanda",
}
LAX = HelperPolicy.linux(reassembles=True)
LOOSE = TcpPolicy(loose=True, be_liberal=True, ignore_invalid_rst=True, max_retrans=1)
NARROW = Limits(
    max_connections=4,
    max_half_open=3,
    max_per_source=2,
    new_per_second_per_source=1,
    max_expectations=1,
    max_fragment_octets=3000,
    max_fragment_distance=3,
)
OUTBOUND = Ruleset.outbound(inside=["10.0.1.0/24", "fd00:1::/64"])
TEMPERS = (
    (None, Config(helpers=HELPERS, events=True)),
    (None, Config.linux(helpers=HELPERS, helper_policy=LAX, verify_checksums=False)),
    (None, Config.linux(events=True)),
    (OUTBOUND, Config(helpers=HELPERS, tcp=LOOSE, verify_checksums=True)),
    (None, Config(helpers=HELPERS, limits=NARROW, events=True)),
)


def split(data: bytes) -> list[tuple[float, bytes]]:
    """Read the pauses, in seconds, and packets behind the first octet."""
    steps, at = [], 1
    while at < len(data):
        pause = PAUSES[data[at] % len(PAUSES)]
        length = int.from_bytes(data[at + 1 : at + 3], "big")
        steps.append((pause, data[at + 3 : at + 3 + length]))
        at += 3 + length
    return steps


def join(temper: int, steps: list[tuple[float, bytes]]) -> bytes:
    """Write what `split` reads."""
    octets = bytes([temper])
    for pause, packet in steps:
        octets += bytes([PAUSES.index(pause)]) + len(packet).to_bytes(2, "big") + packet
    return octets


def run(data: bytes) -> list[tuple[object, ...]]:
    """Send the packets through their tracker, check it, and tell the answers."""
    rules, config = TEMPERS[(data[0] if data else 0) % len(TEMPERS)]
    tracker, now, answers = Tracker(rules, config), 0.0, []
    for pause, packet in split(data):
        now += pause
        verdict = tracker.process(packet, now)
        found = tracker.find(packet)
        line = "" if found is None else found.to_conntrack(now)
        answers.append((verdict.action, verdict.ct_state, verdict.direction, verdict.reason, line))
    tracker.check()
    tracker.events()
    tracker.expire(now + 1e6)
    tracker.check()
    assert len(tracker) == len(tracker.expectations) == 0, "something lives for ever"
    return answers
