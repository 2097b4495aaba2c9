"""What a connection takes of memory, everything included: TCP, and a question answered over UDP.

    python benchmarks/memory.py --connections 1000000         minutes, 2 GB
    python benchmarks/memory.py --quick

Told is by how much the resident memory of a process has grown, for each connection: objects, index,
timers, and what the allocator wastes. Each kind is measured in a process of its own, and packets
are written one by one, so nothing else grows. Then all of the table is collected once, to tell
how long the garbage collector stops a program which holds it.

It is read from Linux's /proc. Under PyPy it is rough, above all for few connections: PyPy keeps for
a while what its collector has freed, and takes memory in large steps.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator  # noqa: UP035 - Python 3.9

from cases import PACE, fresh
from workloads import SYN, Flow

STATM = Path("/proc/self/statm")  # in pages: all, resident, ...
CONNECTIONS, FEW = 1_000_000, 50_000
BEFORE = 1_000  # connections opened before measuring, so that what is made once is there
ROUGHLY = (
    "Roughly: PyPy keeps for a while what its collector has freed, and takes memory in large steps."
)
HEAD = """\
| connections | bytes each | a full collection |
|---|---:|---:|"""


def established(flow: Flow) -> list[bytes]:
    """Open a connection."""
    return flow.opening()


def half_open(flow: Flow) -> list[bytes]:
    """Only ask for one."""
    return [flow.tcp(SYN, 0, 0, is_reply=False)]


def answered(flow: Flow) -> list[bytes]:
    """Ask over UDP, and be answered."""
    return [flow.udp(30, is_reply=False), flow.udp(60, is_reply=True)]


KINDS: dict[str, Callable[[Flow], list[bytes]]] = {
    "established": established,
    "half-open": half_open,
    "answered": answered,
}


def resident() -> int:
    """Tell the memory of this process in bytes."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


def growth(kind: str, connections: int) -> dict[str, float]:
    """Open connections in this process; tell the bytes of each, and the seconds of a collection."""
    tracker, now, before = fresh([]), 0.0, 0
    for number in range(BEFORE + connections):
        if number == BEFORE:
            gc.collect()
            before = resident()
        for packet in KINDS[kind](Flow(number)):
            tracker.process(packet, now)
            now += PACE
    if sys.implementation.name == "pypy":
        gc.collect()
    grown = resident() - before
    assert len(tracker) == BEFORE + connections, "a connection is missing"
    began = time.perf_counter()
    gc.collect()
    return {"bytes": grown / connections, "seconds": time.perf_counter() - began}


def measure(kind: str, connections: int) -> dict[str, float]:
    """Do the same in a process of its own."""
    command = [sys.executable, __file__, "--kind", kind, "--connections", str(connections)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(told)  # type: ignore[no-any-return]  # what `main` prints


def lines(connections: int) -> Iterator[str]:
    """Write the table."""
    if not STATM.exists():
        yield f"Memory is not measured: there is no {STATM} here."
        return
    yield HEAD
    for kind in KINDS:
        told = measure(kind, connections)
        cost = f"{told['bytes']:,.0f} | {told['seconds'] * 1e3:,.0f} ms"
        yield f"| {connections:,} {kind} | {cost} |"
    if sys.implementation.name == "pypy":
        yield f"\n{ROUGHLY}"


def main() -> None:
    """Print the table, or what one kind takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--quick", action="store_true", help=f"{FEW:,} connections")
    parser.add_argument("--kind", choices=KINDS, help="measure one in this process, as JSON")
    arguments = parser.parse_args()
    connections = FEW if arguments.quick else arguments.connections
    if arguments.kind:
        print(json.dumps(growth(arguments.kind, connections)))
        return
    for line in lines(connections):
        print(line, flush=True)


if __name__ == "__main__":
    main()
