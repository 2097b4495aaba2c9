"""What a packet costs under whole rulesets: those of the tests, or yours.

    python benchmarks/rulesets.py                                   at the forward hook
    python benchmarks/rulesets.py --hook input /etc/nftables.conf

Packets come by one interface, and are forwarded to another; what rules refuse counts as what they
let pass. Told are nanoseconds a packet, the best of some rounds, by workload. It needs the extra
`rules`; what the library has not of a ruleset is left out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final, Sequence  # noqa: UP035 - Python 3.9

sys.path.insert(0, str(Path(__file__).parent))
from cases import PACE, UNBOUNDED
from measuring import seconds
from statefulinspect import Ruleset, Tracker
from workloads import WORKLOADS

RULESETS: Final = Path(__file__).parent.parent / "tests" / "rulesets" / "real"
NAMES: Final = ("W1 bulk", "W3 dns", "W4 syn flood", "W5 internet mix")
PACKETS, ROUNDS = 10_000, 3  # of each workload so many at most
WAYS: Final = {"forward": ("eth0", "eth1"), "input": ("eth0", ""), "output": ("", "eth0")}


def drive(tracker: Tracker, packets: Sequence[bytes], hook: str) -> None:
    """Send packets through a tracker, by the interfaces that a hook knows."""
    process, now, (iif, oif) = tracker.process, 0.0, WAYS[hook]
    for packet in packets:
        process(packet, now, iif, oif, 0, 0, None, hook)
        now += PACE


def cost(rules: Ruleset, packets: Sequence[bytes], hook: str) -> float:
    """Tell the nanoseconds of a packet, in the best round."""
    best = min(seconds(drive, Tracker(rules, UNBOUNDED), packets, hook) for _ in range(ROUNDS))
    return best / len(packets) * 1e9


def main() -> None:
    """Print a line for each ruleset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, default=sorted(RULESETS.glob("*.nft")))
    parser.add_argument("--hook", choices=WAYS, default="forward")
    arguments = parser.parse_args()
    workloads = [WORKLOADS[name]()[:PACKETS] for name in NAMES]
    print(f"| {arguments.hook} | {' | '.join(NAMES)} |\n|---|{'---:|' * len(NAMES)}")
    for path in arguments.files:
        rules = Ruleset.parse(path.read_text(), unsupported="ignore")
        told = [f"{cost(rules, packets, arguments.hook):,.0f}" for packets in workloads]
        print(f"| {path.name} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
