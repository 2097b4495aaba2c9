"""Write the seeds that fuzzing begins with: conversations of captures, scenarios and builders.

python tests/fuzz/seeds.py tests/fuzz/corpus
"""

from __future__ import annotations

import sys
from pathlib import Path

import dpkt

sys.path.insert(0, str(Path(__file__).parent.parent))
from builders import ICMP, icmp, ip, tcp, udp
from conversation import Conversation, scenarios
from fuzz.target import PAUSES, TEMPERS, join

TESTS = Path(__file__).parent.parent
SCENARIOS = {
    "dos": 1,
    "founding": 3,
    "fragments": 1,
    "ftp": 3,
    "helpers": 2,
    "icmp": 4,
    "sctp": 3,
    "sip": 3,
    "tcp": 4,
    "tcp_memory": 3,
    "udp": 3,
}
BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}
QUESTIONS = {
    69: b"\0\1file\0octet\0",
    137: bytes(50),
    10080: b"Amanda 2.4 REQ HANDLE 000-0 SEQ 1\nSERVICE sendbackup\n",
}
COMMANDS = {
    21: [
        b"USER anonymous\r\n",
        b"PORT 10,0,1,2,8,1\r\n",
        b"EPRT |1|10.0.1.2|2049|\r\n",
        b"PASV\r\n",
    ],
    6566: [bytes.fromhex("00000008"), b"\0\0\0\0\0\0\x08\1"],
    6667: [b"PRIVMSG x :\1DCC SEND f 167772418 2049 1\1\n"],
    1723: [bytes.fromhex("009c00011a2b3c4d00010000" + "01000000" + "00" * 140)],
}


def captured(name: str, first: int, count: int) -> list[tuple[float, bytes]]:
    """Read some packets of a capture, without pauses."""
    with (TESTS / "captures" / f"{name}.pcap").open("rb") as file:
        frames = [frame for _, frame in dpkt.pcap.Reader(file)][first : first + count]
    return [(0.0, frame[14:]) for frame in frames]


def played(text: str) -> list[tuple[float, bytes]]:
    """Take a scenario's packets, with about its pauses."""
    steps, before = [], 0.0
    for step in Conversation(text).steps:
        gap, before = step.at - before, step.at
        pause = min(PAUSES, key=lambda each: abs(each - gap))
        steps.append((pause, step.packet))
    return steps


def helped(port: int, commands: list[bytes]) -> list[tuple[float, bytes]]:
    """Say some commands to a helper's port over TCP, and have the flow they announce begin."""
    packets = [tcp(1000, port, "SYN", 0), tcp(port, 1000, "SYN,ACK", 0, 1, **BACK)]
    packets.append(tcp(1000, port, "ACK", 1, 1))
    seq = 1
    for command in commands:
        packets.append(tcp(1000, port, "PSH,ACK", seq, 1, data=command))
        seq += len(command)
    packets.append(tcp(20, 2049, "SYN", 0, **BACK))
    return [(0.001, packet) for packet in packets]


def seeds() -> dict[str, bytes]:
    """Make all seeds, by name."""
    made = {
        f"capture-{name}": captured(name, first, 24)
        for name, first in (("ftp-active", 6), ("ftp-passive", 6), ("dns", 6), ("ping", 6))
    }
    for stem, stride in SCENARIOS.items():
        told = scenarios((TESTS / "scenarios" / f"{stem}.txt").read_text(encoding="utf-8"))
        for number, text in enumerate(list(told.values())[::stride]):
            made[f"scenario-{stem}-{number:02}"] = played(text)
    for port, question in QUESTIONS.items():
        ask = udp(port, port, question, destination="10.255.255.255")
        made[f"helper-{port}"] = [(0.0, ask), (0.3, udp(2049, port, b"CONNECT DATA 1", **BACK))]
    for port, commands in COMMANDS.items():
        made[f"helper-{port}"] = helped(port, commands)
    ping = icmp(8, data=bytes(32))[20:]
    made["fragments"] = [
        (0.0, ip("10.0.1.2", "10.0.2.2", ICMP, ping[:24], fragment=0x2000)),
        (0.0, ip("10.0.1.2", "10.0.2.2", ICMP, ping[24:], fragment=3)),
    ]
    return {
        name: join(number % len(TEMPERS), steps)
        for number, (name, steps) in enumerate(sorted(made.items()))
    }


if __name__ == "__main__":
    for name, octets in seeds().items():
        (Path(sys.argv[1]) / name).write_bytes(octets)
