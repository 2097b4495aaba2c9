"""Feed the same packets to the library and to the kernel, and say where they differ.

Compared after every packet: ct state, direction, and of the connection its state name, whether it
is replied and assured, and the seconds left (within one, for the kernel's clock runs meanwhile).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from kernel.kernel import Kernel
from kernel.traffic import Packet, Talk, policy
from statefulinspect import Config, TcpPolicy, Tracker

STEP = 0.001  # seconds between packets, about what the kernel takes for one
SYSCTLS = {
    "loose": "nf_conntrack_tcp_loose",
    "be_liberal": "nf_conntrack_tcp_be_liberal",
    "ignore_invalid_rst": "nf_conntrack_tcp_ignore_invalid_rst",
    "max_retrans": "nf_conntrack_tcp_max_retrans",
}
TALKS_PER_SETTING = 60


@dataclass
class Difference:
    """A conversation at whose end the two answers differ."""

    settings: TcpPolicy
    packets: list[Packet]
    library: str
    kernel: str

    def __str__(self) -> str:
        lines = [str(self.settings), *(packet.text for packet in self.packets)]
        return "\n".join([*lines, f"library: {self.library}", f"kernel:  {self.kernel}"])


def library_answer(tracker: Tracker, packet: Packet, now: float) -> tuple[str, float | None]:
    verdict = tracker.process(packet.wire, now)
    connection = tracker.find(packet.wire)
    words = [verdict.ct_state.value, verdict.direction.value if verdict.direction else "-"]
    if connection is None:
        return " ".join([*words, "gone"]), None
    words += [connection.state_name, f"replied={connection.seen_reply}"]
    return " ".join([*words, f"assured={connection.is_assured}"]), connection.expires_at - now


def kernel_answer(kernel: Kernel, packet: Packet) -> tuple[str, float | None]:
    answer = kernel.send(packet.wire)
    if answer is None:
        return "discarded", None
    words = [answer.ct_state, answer.direction or "-"]
    entry = answer.entry
    if entry is None:
        return " ".join([*words, "gone"]), None
    words += [entry.state or "", f"replied={entry.seen_reply}", f"assured={entry.assured}"]
    return " ".join(words), entry.timeout


def differs(kernel: Kernel, tracker: Tracker, packet: Packet, now: float) -> tuple[str, str] | None:
    """Send one packet to both; tell both answers if they differ."""
    ours, seconds = library_answer(tracker, packet, now)
    theirs, left = kernel_answer(kernel, packet)
    in_time = seconds is None or left is None or abs(seconds - left) <= 1.2
    return None if ours == theirs and in_time else (f"{ours} {seconds}", f"{theirs} {left}")


def replay(kernel: Kernel, settings: TcpPolicy, packets: list[Packet]) -> Difference | None:
    """Play packets to an empty kernel table and a new tracker, up to the first difference."""
    kernel.flush()
    tracker = Tracker(config=Config.linux(tcp=settings))
    for number, packet in enumerate(packets, 1):
        answers = differs(kernel, tracker, packet, number * STEP)
        if answers is not None:
            return Difference(settings, packets[:number], *answers)
    return None


def shrink(kernel: Kernel, found: Difference) -> Difference:
    """Leave out packets one by one, over and over, as long as a difference remains."""
    before = len(found.packets) + 1
    while len(found.packets) < before:
        before, at = len(found.packets), len(found.packets) - 2
        while at >= 0:
            fewer = found.packets[:at] + found.packets[at + 1 :]
            found = replay(kernel, found.settings, fewer) or found
            at = min(at, len(found.packets) - 1) - 1
    return found


def talk(kernel: Kernel, settings: TcpPolicy, dice: random.Random, port: int):
    """Hold one conversation; tell how many packets it had, and the difference if there is one."""
    tracker = Tracker(config=Config.linux(tcp=settings))
    conversation, sent = Talk(dice, port), []
    for _ in range(dice.randrange(3, 40)):
        packet = conversation.next(tracker)
        for _ in range(dice.choice([1] * 12 + [2, 4])):
            sent.append(packet)
            answers = differs(kernel, tracker, packet, len(sent) * STEP)
            if answers is not None:
                return len(sent), Difference(settings, sent, *answers)
    return len(sent), None


def compare(seed: int, packets: int) -> tuple[int, list[Difference]]:
    """Compare at least so many packets; tell how many there were, and up to three differences."""
    dice, total, port = random.Random(seed), 0, 1000
    with Kernel() as kernel:
        while total < packets:
            settings = policy(dice)
            for name, sysctl in SYSCTLS.items():
                kernel.sysctl(sysctl, int(getattr(settings, name)))
            kernel.flush()
            for _ in range(TALKS_PER_SETTING):
                port = port + 1 if port < 60_000 else 1000
                count, found = talk(kernel, settings, dice, port)
                total += count
                if found is not None:
                    return total, [shrink(kernel, found)]
    return total, []
