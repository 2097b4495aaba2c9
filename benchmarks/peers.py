"""What others need for the same packets: parsers (dpkt, pypacker, scapy) and nfstream.

    pip install -e '.[peers]'
    python benchmarks/peers.py

All take the packets of a workload in turn, round by round. Told is how many times as long as this
library each takes, by the median of the rounds. None of them does what the others do:

- dpkt takes a packet apart, as does scapy, and pypacker as far as it is asked: up to the ports.
  None of them knows of connections.
- nfstream tells flows apart and counts them, without windows and verdicts. It reads a file, which
  it and libpcap do in C, in a process of its own; what it takes for a file of one packet, most of
  which is to start that, is not counted.

Scapy is slow, so it gets a sample: packets from all of the workload, equally far apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Iterator  # noqa: UP035 - Python 3.9

import dpkt

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES, PACE
from machine import describe
from measuring import parse, repeat, seconds

NAMES = [name for name in CASES if name < "W6"]
FEW, SAMPLE, ROUNDS = 2_000, 2_000, 3
EPOCH = 1e9  # a capture has dates

Cost = Callable[[], float]  # tells the seconds of a packet


def own(name: str, packets: list[bytes]) -> Cost:
    """Send packets through a tracker."""
    case = CASES[name]
    return lambda: seconds(case.run, case.prepare(packets), packets) / len(packets)


def dpkt_cost(packets: list[bytes]) -> Cost:
    """Let dpkt parse packets."""
    return lambda: seconds(parse, packets) / len(packets)


def scapy_cost(packets: list[bytes]) -> Cost:
    """Let scapy dissect a sample of them."""
    from scapy.layers.inet import IP  # noqa: PLC0415 - optional
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415

    sample = packets[:: max(len(packets) // SAMPLE, 1)]

    def dissect() -> None:
        for packet in sample:
            (IP if packet[0] == 0x45 else IPv6)(packet)

    return lambda: seconds(dissect) / len(sample)


def pypacker_cost(packets: list[bytes]) -> Cost:
    """Let pypacker parse packets as far as their ports."""
    from pypacker.layer3 import ip, ip6  # noqa: PLC0415 - optional

    def reach_ports() -> None:
        for packet in packets:
            layer = (ip.IP if packet[0] == 0x45 else ip6.IP6)(packet).upper_layer
            getattr(layer, "sport", None)

    return lambda: seconds(reach_ports) / len(packets)


def nfstream_cost(packets: list[bytes]) -> Cost:
    """Let nfstream read a file of the packets, and go over its flows."""
    from nfstream import NFStreamer  # noqa: PLC0415 - optional

    def read(path: Path) -> None:
        flows = NFStreamer(str(path), n_dissections=0, statistical_analysis=False, n_meters=1)
        assert sum(flow.bidirectional_packets for flow in flows) > 0, "nothing was read"

    def cost() -> float:
        with tempfile.TemporaryDirectory() as folder:
            whole, single = Path(folder) / "whole.pcap", Path(folder) / "single.pcap"
            write_capture(whole, packets)
            write_capture(single, packets[:1])
            start = seconds(read, single)
            return (seconds(read, whole) - start) / len(packets)

    return cost


def write_capture(path: Path, packets: list[bytes]) -> None:
    """Write raw IP packets into a pcap file."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, snaplen=65_535, linktype=dpkt.pcap.DLT_RAW)
        for number, packet in enumerate(packets):
            writer.writepkt(packet, EPOCH + number * PACE)


PEERS: dict[str, Callable[[list[bytes]], Cost]] = {
    "dpkt": dpkt_cost,
    "pypacker": pypacker_cost,
    "scapy": scapy_cost,
    "nfstream": nfstream_cost,
}


def installed() -> list[str]:
    """Name the peers that can be measured."""
    return [peer for peer in PEERS if find_spec(peer)]


def row(name: str, peers: list[str], packets: list[bytes], rounds: int) -> str:
    """Measure a workload, and write its row."""
    mine = own(name, packets)
    costs = [PEERS[peer](packets) for peer in peers]
    taken = repeat(lambda: (mine(), *(cost() for cost in costs)), rounds)
    times = [
        statistics.median(each[at] / each[0] for each in taken) for at in range(1, len(peers) + 1)
    ]
    cost = statistics.median(each[0] for each in taken) * 1e9
    return f"| {name} | {' | '.join(f'{each:.2f}' for each in times)} | {cost:,.0f} |"


def lines(rounds: int, at_most: int | None = None) -> Iterator[str]:
    """Write the table, of the first packets of each workload or of all."""
    peers = installed()
    heads = [f"{peer} {version(peer)}" for peer in peers]
    yield "Times as long as statefulinspect takes:\n"
    yield f"| workload | {' | '.join(heads)} | statefulinspect, ns a packet |"
    yield "|---" + "|---:" * (len(peers) + 1) + "|"
    for name in NAMES:
        yield row(name, peers, CASES[name].write()[:at_most], rounds)
    for peer in sorted(set(PEERS) - set(peers)):
        yield f"\nNot installed: pip install {peer}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help=f"one round of {FEW:,} packets")
    arguments = parser.parse_args()
    rounds, at_most = (1, FEW) if arguments.quick else (arguments.rounds, None)
    print(f"{describe()}\n")
    for line in lines(rounds, at_most):
        print(line, flush=True)


if __name__ == "__main__":
    main()
