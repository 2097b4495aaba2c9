"""Draw conversations and compare the library with the kernel over them.

A mix is a few talks at once, of one or several protocols, and ICMP errors about any of them. Most
mixes have virtual pauses; UDP's two seconds since creation cannot be moved, so mixes with UDP are
held all at once, in three rounds between which time really passes.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from kernel.differ import Difference, Exchange, configure, shrink
from kernel.kernel import Kernel
from kernel.sctp_talk import SctpTalk
from kernel.settings import draw
from kernel.talks import (
    IPV4_OPTIONS,
    PAUSES,
    ErrorTalk,
    ExtensionTalk,
    GreTalk,
    IcmpTalk,
    NumberTalk,
    Packet,
    Talk,
    UdpLiteTalk,
    UdpTalk,
    draw_ends,
    with_ipv4_options,
)
from kernel.tcp_talk import TcpTalk
from statefulinspect import Config

MIXES_PER_SETTING = 60
UDP_MIXES, UDP_EVERY = 600, 70_000  # packets between them: they take six seconds
ROUNDS, ROUND_GAP = 3, 3  # seconds, well beyond UDP's two
KINDS = [TcpTalk] * 8 + [SctpTalk] * 3 + [GreTalk, NumberTalk, IcmpTalk, ExtensionTalk]
PAUSE_EVERY = 250  # packets, about: moving the kernel's time costs as much as a hundred packets


class Mix:
    """Draw packets of a few talks at once."""

    def __init__(self, dice: random.Random, exchange: Exchange, kinds: list, number: int) -> None:
        self.dice, self.exchange = dice, exchange
        ends = draw_ends(dice, number)
        chosen = [dice.choice(kinds) for _ in range(dice.choice([1, 1, 1, 2]))]
        self.talks: list[Talk] = [
            kind(dice, ends._replace(number=number + 30_000 * at)) for at, kind in enumerate(chosen)
        ]
        self.errors = ErrorTalk(dice, ends, exchange.sent)

    def next(self) -> Packet:
        """Draw the next packet: most often of a talk, else an error about one, or one repeated."""
        dice, sent = self.dice, self.exchange.sent
        packet = dice.choice(self.talks).next(self.exchange.tracker)
        if sent and dice.random() < 0.06:
            packet = self.errors.next(self.exchange.tracker)
        elif sent and dice.random() < 0.05:
            packet = sent[-1]
        if packet.wire[0] == 0x45 and dice.random() < 0.02:
            packet = with_ipv4_options(packet, dice.choice(IPV4_OPTIONS))
        pauses = not self.exchange.is_real_time and dice.randrange(PAUSE_EVERY) == 0
        return packet._replace(pause=dice.choice(PAUSES) if pauses else 0)


@dataclass
class Comparison:
    """Count what was compared, by protocol number; keep the first difference, made small."""

    kernel: Kernel
    dice: random.Random
    counted: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    difference: Difference | None = None
    number: int = 1000

    @property
    def packets(self) -> int:
        return self.counted.total()

    def run(self, packets: int) -> None:
        """Compare at least so many packets, or up to a difference."""
        udp_from = 0.0
        while self.packets < packets and self.difference is None:
            config = draw(self.dice)
            configure(self.kernel, config)
            if self.packets >= udp_from:
                udp_from += max(packets / 4, UDP_EVERY)
                self._udp_rounds(config)
            for _ in range(MIXES_PER_SETTING):
                mix = self._new_mix(Exchange(self.kernel, config), KINDS)
                self._play(mix, self.dice.randrange(3, 40))

    def _new_mix(self, exchange: Exchange, kinds: list) -> Mix:
        self.number = self.number + 1 if self.number < 29_999 else 1000
        return Mix(self.dice, exchange, kinds, self.number)

    def _play(self, mix: Mix, packets: int, slept: int = 0) -> None:
        """Send some packets; tell the first how long all mixes have slept before."""
        for at in range(packets if self.difference is None else 0):
            packet = mix.next()
            if slept and at == 0:
                packet = packet._replace(pause=slept)
            found = mix.exchange.send(packet, has_waited=bool(slept))
            self.counted[packet.wire[9 if packet.wire[0] >> 4 == 4 else 6]] += 1
            self.reasons[mix.exchange.reason] += 1
            if found is not None:
                self.difference = shrink(self.kernel, found)
                return

    def _udp_rounds(self, config: Config) -> None:
        """Hold many mixes at once, so that all wait the same few seconds."""
        kinds = [UdpTalk] * 3 + [UdpLiteTalk]
        exchanges = [Exchange(self.kernel, config, is_real_time=True) for _ in range(UDP_MIXES)]
        mixes = [self._new_mix(exchange, kinds) for exchange in exchanges]
        for number in range(ROUNDS):
            slept = ROUND_GAP if number else 0
            time.sleep(slept)
            for mix in mixes:
                self._play(mix, self.dice.randrange(6), slept)


def compare(seed: int, packets: int) -> tuple[Counter, Counter, str]:
    """Compare packets drawn by a seed.

    Tell how many of each protocol, how many with each of the library's reasons, and how the two
    differ, if they do.
    """
    with Kernel() as kernel:
        comparison = Comparison(kernel, random.Random(seed))
        comparison.run(packets)
    found = comparison.difference
    return comparison.counted, comparison.reasons, "" if found is None else str(found)
