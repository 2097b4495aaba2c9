"""Events, against what `conntrack -E` prints of the running kernel's."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from builders import udp
from kernel.compare import KINDS, Mix
from kernel.differ import EVERYTHING_PASSES, Exchange, configure, is_of_the_link
from kernel.kernel import HELPERS, Kernel
from kernel.settings import draw
from kernel.talks import Packet, UdpLiteTalk, UdpTalk, draw_ends, with_dscp
from kernel.test_helpers import DIALOGUES
from statefulinspect import Config, Ruleset, Timeouts, Tracker

AT_ONCE = 40  # conversations before the kernel's settings change
MARKER = "src=10.0.1.254 "  # whose NEW stands between the events of two mixes
SECONDS = re.compile(r"^(.{9} \S+ +\d+) (\d+) ")
# What rules do to packets of DSCP 1, 2, 3 and so on.
SETTINGS = [
    "drop", "ct mark set 9", "ct mark set 0", "ct label set 5", "ct mark set 8 drop",
    "ct event set new,destroy", "ct event set reply,assured", "ct event set related,protoinfo",
    "ct event set 0x80", "ct event set 0x40 ct label set 6", "ct event set 0xffff",
]  # fmt: skip
LINES = [
    f"{family} dscp {dscp} {setting}"
    for dscp, setting in enumerate(SETTINGS, start=1)
    for family in ("ip", "ip6")
]
RULES = "\n".join(["chain passing { type filter hook forward priority 0", *LINES, "}"])
BY_USER = re.compile(r" \[USERSPACE\].*")


class Listener:
    """Run `conntrack -E` in the kernel's namespace, and collect what it prints."""

    def __init__(self, kernel: Kernel) -> None:
        self._file = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the listener
        self._tool = kernel.start("conntrack", "-E", "-b", str(8 << 20), stdout=self._file)
        time.sleep(0.5)  # until it listens

    def stop(self) -> list[str]:
        time.sleep(0.5)
        self._tool.terminate()
        self._tool.wait()
        self._file.seek(0)
        with self._file:
            return self._file.read().splitlines()


def normal(line: str) -> tuple[str, int]:
    """Take the seconds out of a line, and who asked for a deletion."""
    line = BY_USER.sub("", line).rstrip()
    found = SECONDS.match(line)
    return (line, -1) if found is None else (SECONDS.sub(r"\1 ", line), int(found[2]))


def is_same(ours: list[str], theirs: list[str]) -> bool:
    pairs = list(zip(sorted(map(normal, ours)), sorted(map(normal, theirs))))
    return len(ours) == len(theirs) and all(
        a[0] == b[0] and abs(a[1] - b[1]) <= 1 for a, b in pairs
    )


def compare(kernel: Kernel, conversations: int, hold: Callable[[int], Exchange]) -> int:
    """Hold conversations in turn, and compare the events of each; tell how many there were.

    After each both tables are emptied.
    """
    ours: list[list[str]] = []
    listener = Listener(kernel)
    for number in range(conversations):
        exchange = hold(number)
        kernel.flush()
        exchange.tracker.flush()
        ours.append([str(event) for event in exchange.tracker.events()])
        kernel.send(udp(number + 1, 9, source="10.0.1.254"))
    theirs = parted(listener.stop())
    assert len(theirs) == conversations + 1
    for mine, kernels in zip(ours, theirs):
        assert is_same(mine, kernels), "\n".join(["library:", *mine, "kernel:", *kernels])
    return sum(map(len, ours))


def parted(lines: list[str]) -> list[list[str]]:
    """Part the kernel's lines into those of each conversation."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if MARKER not in line:
            parts[-1].append(line)
        elif "[NEW]" in line:
            parts.append([])
    return parts


def send(exchange: Exchange, packet: Packet) -> None:
    found = exchange.send(packet)
    assert found is None, found


@dataclass
class Holder:
    """Hold a conversation at a time, under settings that are drawn now and then."""

    kernel: Kernel
    dice: random.Random
    helpers: dict[int, str] = field(default_factory=dict)
    rules: Ruleset = EVERYTHING_PASSES
    config: Config = field(init=False)

    def begin(self, number: int) -> Exchange:
        if number % AT_ONCE == 0:
            drawn = draw(self.dice)
            timeouts = Timeouts.linux() if self.helpers else drawn.timeouts
            self.config = Config.linux(
                tcp=drawn.tcp, timeouts=timeouts, accounting=True, events=True,
                helpers=self.helpers,
            )  # fmt: skip
            configure(self.kernel, self.config)
        return Exchange(self.kernel, self.config, self.rules)

    def mix(self, number: int) -> Exchange:
        """Hold a mix of talks, of whose packets some bear a DSCP that rules look at.

        What a router does not forward, such as a redirect, meets no rule here.
        """
        exchange, dice = self.begin(number), self.dice
        mix = Mix(dice, exchange, [*KINDS, UdpTalk, UdpLiteTalk], 1000 + number)
        dscps = [0, 0, *dice.choices(range(len(SETTINGS) + 1), k=3)]
        for _ in range(dice.randrange(3, 25)):
            packet = mix.next()._replace(pause=0)
            if self.rules is not EVERYTHING_PASSES and not is_of_the_link(packet.wire):
                packet = packet._replace(wire=with_dscp(packet.wire, dice.choice(dscps)))
            send(exchange, packet)
        return exchange

    def dialogue(self, number: int) -> Exchange:
        """Hold a dialogue that a helper reads."""
        exchange, dice = self.begin(number), self.dice
        talk = dice.choice(DIALOGUES)(dice, draw_ends(dice, 1024 + number))
        for _ in range(dice.randrange(5, 50)):
            send(exchange, talk.next(exchange.tracker))
        return exchange


@pytest.fixture
def dice(pytestconfig):
    if shutil.which("conntrack") is None:
        pytest.fail("the conntrack tool is not installed")
    return random.Random(pytestconfig.getoption("seed"))


def test_events_are_those_of_conntrack(dice):
    with Kernel() as kernel:
        assert compare(kernel, 400, Holder(kernel, dice).mix) > 1000


def test_events_of_helped_connections_are_those_of_conntrack(dice):
    helpers = {port: name for (_, port), name in HELPERS.items()}
    with Kernel(with_helpers=True) as kernel:
        assert compare(kernel, 200, Holder(kernel, dice, helpers).dialogue) > 1000


def test_events_under_rules_are_those_of_conntrack(dice):
    rules = Ruleset.parse(f"table inet passing {{ {RULES} }}")
    with Kernel() as kernel, kernel.table(RULES):
        assert compare(kernel, 400, Holder(kernel, dice, rules=rules).mix) > 1000


def test_who_does_not_listen_gets_no_events():
    tracker = Tracker(config=Config.linux())
    tracker.process(udp(), 0.0)
    assert tracker.events() == []
