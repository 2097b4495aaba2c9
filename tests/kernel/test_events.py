"""Events, against what `conntrack -E` prints of the running kernel's."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time

import pytest

from builders import udp
from kernel.compare import KINDS, Mix
from kernel.differ import Exchange, configure
from kernel.kernel import Kernel
from kernel.settings import draw
from kernel.talks import UdpLiteTalk, UdpTalk
from statefulinspect import Config, Tracker

MIXES = 400
MARKER = "src=10.0.1.254 "  # whose NEW stands between the events of two mixes
SECONDS = re.compile(r"^(.{9} \S+ +\d+) (\d+) ")
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


def played(kernel: Kernel, dice: random.Random, number: int, config: Config) -> list[str]:
    """Hold one mix, empty both tables, and give the library's events."""
    exchange = Exchange(kernel, config)
    mix = Mix(dice, exchange, [*KINDS, UdpTalk, UdpLiteTalk], number)
    for _ in range(dice.randrange(3, 25)):
        found = exchange.send(mix.next()._replace(pause=0))
        assert found is None, found
    kernel.flush()
    exchange.tracker.flush()
    return [str(event) for event in exchange.tracker.events()]


def test_events_are_those_of_conntrack(pytestconfig):
    if shutil.which("conntrack") is None:
        pytest.fail("the conntrack tool is not installed")
    dice = random.Random(pytestconfig.getoption("seed"))
    ours: list[list[str]] = []
    with Kernel() as kernel:
        listener = Listener(kernel)
        for number in range(MIXES):
            if number % 40 == 0:
                config = draw(dice)
                config = Config.linux(
                    tcp=config.tcp, timeouts=config.timeouts, accounting=True, events=True
                )
                configure(kernel, config)
            ours.append(played(kernel, dice, 1000 + number, config))
            kernel.send(udp(number + 1, 9, source="10.0.1.254"))
        lines = listener.stop()
    theirs: list[list[str]] = [[]]
    for line in lines:
        if MARKER not in line:
            theirs[-1].append(line)
        elif "[NEW]" in line:
            theirs.append([])
    assert len(theirs) == MIXES + 1
    for mine, kernels in zip(ours, theirs):
        assert is_same(mine, kernels), "\n".join(["library:", *mine, "kernel:", *kernels])
    assert sum(map(len, ours)) > 1000


def test_who_does_not_listen_gets_no_events():
    tracker = Tracker(config=Config.linux())
    tracker.process(udp(), 0.0)
    assert tracker.events() == []
