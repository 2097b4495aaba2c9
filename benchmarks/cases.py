"""What is timed of each workload: W1 to W8, with the tracker that each meets.

W1 to W6 are packets sent through a new tracker (`workloads`). W7 are first packets, judged by ten
thousand rules, which are compiled before the clock starts. W8 are connections that all time out at
once, and are removed by one call of `expire`, or by as many packets as it takes: each sweeps a
bounded batch. There an entry is the unit, and the ratios are to the packet that had opened it.
"""

from __future__ import annotations

import gc
import time
from functools import lru_cache

from measuring import Case
from rulebase import draw_packets, draw_rules
from statefulinspect import Action, Config, Limits, Rule, Ruleset, Tracker
from statefulinspect.keeper import SWEEP_AT_MOST
from workloads import MANY, SEGMENTS, SYN, WORKLOADS, Flow

PACE = 1e-5  # seconds between two packets
UNBOUNDED = Config(limits=Limits(max_connections=None))
RULES = 10_000
LATER = 1e6  # when nothing opened at the beginning lives
STRANGER = Flow(0, server_port=53).udp(30, is_reply=False)


def fresh(_: list[bytes]) -> Tracker:
    """Make a tracker."""
    return Tracker(config=UNBOUNDED)


def drive(tracker: Tracker, packets: list[bytes]) -> None:
    """Send packets through a tracker, one after the other."""
    process, now = tracker.process, 0.0
    for packet in packets:
        process(packet, now)
        now += PACE


@lru_cache(maxsize=1)
def _rules() -> list[Rule]:
    return draw_rules(RULES)


def first_packets() -> list[bytes]:
    """W7: the openers of connections that many rules know."""
    return draw_packets(_rules(), SEGMENTS)


def behind_rules(packets: list[bytes]) -> Tracker:
    """Make a tracker whose rules are ready: indexes are made when first asked for."""
    tracker = Tracker(Ruleset(_rules(), policy=Action.DROP), UNBOUNDED)
    for packet in packets[:50]:
        tracker.process(packet, 0.0)
    tracker.flush()
    return tracker


def openers() -> list[bytes]:
    """W8: openers that nobody answers, so many that their end is felt."""
    return [Flow(number).tcp(SYN, number, 0, is_reply=False) for number in range(MANY)]


def filled(packets: list[bytes]) -> Tracker:
    """Make a tracker, and open a connection by each packet."""
    tracker = fresh(packets)
    drive(tracker, packets)
    return tracker


def expire(tracker: Tracker, _: list[bytes]) -> None:
    """Remove all by one call."""
    tracker.expire(LATER)


def sweep(tracker: Tracker, packets: list[bytes]) -> None:
    """Remove all by packets, each of which sweeps its share."""
    process = tracker.process
    for _ in range(0, len(packets), SWEEP_AT_MOST):
        process(STRANGER, LATER)


def dearest_sweep(packets: list[bytes]) -> float:
    """Tell the seconds of the dearest call among those that `sweep` makes.

    Asserts that none removes more than its share.
    """
    tracker, dearest = filled(packets), 0.0
    gc.collect()
    for _ in range(0, len(packets), SWEEP_AT_MOST):
        left, began = len(tracker._table), time.perf_counter()
        tracker.process(STRANGER, LATER)
        dearest = max(dearest, time.perf_counter() - began)
        assert left - len(tracker._table) <= SWEEP_AT_MOST, "a call has removed too many"
    return dearest


CASES: dict[str, Case] = {
    **{name: Case(write, fresh, drive) for name, write in WORKLOADS.items()},
    "W7 10,000 rules": Case(first_packets, behind_rules, drive),
    "W8 expire()": Case(openers, filled, expire),
    "W8 swept by packets": Case(openers, filled, sweep),
}
