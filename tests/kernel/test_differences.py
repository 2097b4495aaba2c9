"""Generated packets, answered by the library and by the running kernel.

`pytest tests/kernel --packets 5000000` compares more of them, `--seed 7` others.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from kernel.compare import compare
from statefulinspect import Reason
from statefulinspect.machines.tcp_flags import FLAGS_ROWS

ENOUGH = 200_000  # packets, from which on every reason must have come up
# Not drawn: what no device takes, what the kernel checks elsewhere; zones, fragments and rules,
# which have files of their own.
NOT_DRAWN = {
    Reason.NOT_IP,
    Reason.IP_HEADER_MALFORMED,
    Reason.IP_HEADER_CHECKSUM,
    Reason.IP_CUT_SHORT,
    Reason.WRONG_FAMILY,
    Reason.REPLY_TAKEN,
    Reason.EXEMPT_BY_RULE,
    *(each for each in Reason if each.name.startswith(("HELPER_", "EXPECTATION", "FRAGMENT"))),
    *(each for each in Reason if each.name.startswith(("SOURCE_", "TABLE_"))),  # limits and attacks
    *(row.reason for row in FLAGS_ROWS),  # attacks, which Linux does not tell apart
    Reason.LAND,
    Reason.SMURF,
    Reason.PING_OF_DEATH,
    Reason.PORTS_REUSED,  # never in a verdict: the packet opens a new connection
}


def test_packets_are_answered_as_the_kernel_answers(pytestconfig):
    packets, seed = pytestconfig.getoption("packets"), pytestconfig.getoption("seed")
    workers = os.cpu_count() or 1
    seeds = range(seed, seed + workers)
    with ProcessPoolExecutor(workers) as pool:
        results = list(pool.map(compare, seeds, [packets // workers] * workers))
    counted = sum((counted for counted, _, _ in results), Counter())
    reasons = sum((reasons for _, reasons, _ in results), Counter())
    told = f"{counted.total()} packets, by protocol number: {dict(counted.most_common())}"
    print(f"{told}, by reason: {dict(reasons.most_common())}")  # noqa: T201 - for -s
    for number, (_, _, difference) in zip(seeds, results):
        assert not difference, f"seed {number}, {counted.total()} packets\n{difference}"
    assert counted.total() >= packets // workers * workers
    missing = {reason.name for reason in set(Reason) - NOT_DRAWN} - set(reasons)
    assert not missing or packets < ENOUGH
