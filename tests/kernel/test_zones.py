"""Zones, whole and of one direction, against the running kernel's."""

from __future__ import annotations

import random

from builders import CLIENT, SERVER, icmp, ip, tcp, udp
from kernel.differ import STEP
from kernel.kernel import Kernel
from kernel.talks import with_dscp
from statefulinspect import Config, Direction, Tracker

PACKETS = 480  # after each the kernel's table is read, which takes 10 ms
ZONES = {
    0: (0, None),
    1: (5, None),
    2: (6, Direction.ORIGINAL),
    3: (7, Direction.REPLY),
    4: (5, Direction.ORIGINAL),
    5: (5, Direction.REPLY),
}  # by DSCP, as kernel.kernel.ZONES


def draw(dice: random.Random) -> bytes:
    is_reply = dice.randrange(2)
    ends = (SERVER, CLIENT) if is_reply else (CLIENT, SERVER)
    ports = (2, 1) if is_reply else (1, 2)
    way = {"source": ends[0], "destination": ends[1]}
    kind = dice.randrange(5)
    if kind == 4:  # to itself: one key names both directions
        return dice.choice(
            [ip(CLIENT, CLIENT, 89, b""), udp(1, 1, source=CLIENT, destination=CLIENT)]
        )
    if kind == 0:
        return icmp(dice.choice([8, 0]), **way)
    if kind == 1:
        return tcp(*ports, dice.choice(["SYN", "SYN,ACK", "ACK"]), **way)
    return udp(*ports, **way)


def library_entries(tracker: Tracker) -> list:
    return sorted(
        (c.original.protocol, str(c.original.source), tuple(c.zones), c.seen_reply,
         tuple(tuple(c.count(way)) for way in Direction))
        for c in tracker
    )  # fmt: skip


def kernel_entries(kernel: Kernel) -> list:
    return sorted(
        (e.orig.proto, e.orig.src, e.zones, e.seen_reply, e.counts) for e in kernel.entries()
    )


def test_zones_are_the_kernels(pytestconfig):
    dice = random.Random(pytestconfig.getoption("seed"))
    clashes = 0
    with Kernel(with_zones=True) as kernel:
        kernel.sysctl("nf_conntrack_acct", 1)
        for number in range(PACKETS):
            if number % 12 == 0:
                kernel.flush()
                tracker = Tracker(config=Config.linux(accounting=True))
                dscps = [dice.randrange(6) for _ in range(3)]
            dscp = dice.choice(dscps)
            wire = with_dscp(draw(dice), dscp)
            zone, direction = ZONES[dscp]
            verdict = tracker.process(wire, number * STEP, zone=zone, zone_direction=direction)
            tracker.check()
            answer = kernel.send(wire)
            ours = (verdict.ct_state.value, verdict.direction and verdict.direction.value)
            assert ours == (answer.ct_state, answer.direction)
            told = (number, dscps, dscp, verdict)
            assert library_entries(tracker) == kernel_entries(kernel), told
            clashes += verdict.reason.name == "REPLY_TAKEN"
    assert clashes > 2
