"""Elements for which connections are counted, against the running kernel's.

Hosts ask, some of their connections are ended, and more than two seconds go by, in which the
kernel's clock, whatever its phase, has looked at all elements; then they ask again. It also takes
the element that is written down, for which nobody has asked yet, a second after the set was made.
"""

from __future__ import annotations

import random
import time

from builders import udp
from kernel.flow import Flow
from kernel.kernel import CLOCK_TICK
from kernel.rule_counts import library_counters
from kernel.rule_differ import CONFIG, differing_counts
from kernel.rule_kernel import RuleKernel
from statefulinspect import Ruleset, Tracker

ROUNDS, PACKETS = 4, 40
PAUSE = 2.2  # seconds: two runs of the kernel's clock
HOSTS = [f"10.0.1.{number}" for number in range(65, 71)]
RULESET = f"""
table inet t {{
  set met_a {{ type ipv4_addr; flags dynamic; size 64; }}
  set met_b {{ type ipv4_addr; flags dynamic; size 64; }}
  set met_c {{ type ipv4_addr; flags dynamic; size 64; }}
  set met_d {{ type ipv4_addr; flags dynamic; ct count over 1; elements = {{ {HOSTS[0]} }}; }}
  set met_e {{ type ipv4_addr . inet_service; flags dynamic; size 64; }}
  set met_few {{ type ipv4_addr; flags dynamic; size 3; }}
  map met_m {{ type ipv4_addr : mark; flags dynamic; }}
  chain through {{
    type filter hook forward priority filter; policy accept;
    ct state new counter
    add @met_a {{ ip saddr ct count over 1 }} counter
    add @met_b {{ ip saddr counter ct count over 2 }} counter
    update @met_c {{ ip saddr ct count over 1 }} counter
    update @met_c {{ ip saddr ct count over 2 }} counter
    udp sport != 1 add @met_d {{ ip saddr }} counter
    ip saddr @met_d counter
    ip saddr != @met_d counter
    add @met_e {{ ip saddr . udp sport ct count 0 }} counter
    add @met_few {{ ip saddr ct count 9 }} counter
    ip daddr != @met_few add @met_m {{ ip saddr ct count over 2 : meta mark }} counter
  }}
}}
"""


def drawn(dice: random.Random) -> bytes:
    """Draw a question; what is answered, or dropped, would not be counted for long."""
    return udp(dice.randrange(1, 5), 53, source=dice.choice(HOSTS))


def compare(kernel: RuleKernel, tracker: Tracker) -> None:
    assert differing_counts(library_counters(tracker), kernel.counted()) is None


def end_some(kernel: RuleKernel, tracker: Tracker, dice: random.Random) -> None:
    """Delete most connections, in either."""
    for connection in list(tracker):
        if dice.random() < 0.7:
            key = connection.original
            ends = str(key.source), str(key.destination)
            ports = key.source_port, key.destination_port
            kernel._table.delete(Flow(*ends, key.protocol, ports))
            tracker.delete(connection)


def test_elements_go_as_in_the_kernel(pytestconfig):
    dice = random.Random(pytestconfig.getoption("seed"))
    tracker, now = Tracker(Ruleset.parse(RULESET), CONFIG), 0.0  # before the kernel's second begins
    with RuleKernel() as kernel:
        kernel.load(RULESET)
        for _ in range(ROUNDS):
            for packet in [drawn(dice) for _ in range(PACKETS)]:
                now += CLOCK_TICK
                time.sleep(CLOCK_TICK)
                assert kernel.arrive(packet, "lan0").fate == "accept"
                tracker.process(packet, now)
            compare(kernel, tracker)
            end_some(kernel, tracker, dice)
            now += PAUSE
            time.sleep(PAUSE)
            tracker.expire(now)
            compare(kernel, tracker)
