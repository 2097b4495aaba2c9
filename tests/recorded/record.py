"""Ask the running kernel for its answers to the packets, and store them beside the packets.

python tests/recorded/record.py             records, and tells what changed
python tests/recorded/record.py --check     tells what would change; exits with 1 if anything does
python tests/recorded/record.py --draw      draws the generated packets anew before

Needs root and the kernel that tests/kernel needs. Time really passes, for Linux keeps some of it
where nobody can move it; only long pauses are cut down to about three seconds.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `kernel` and `recorded`, as in pytest

from kernel.conftest import missing
from kernel.differ import configure
from kernel.flow import flow_of, lookup_flow
from kernel.kernel import Kernel
from kernel.settings import sysctls as sysctls_of
from recorded.answers import (
    RECORDED,
    Answer,
    Known,
    Recording,
    compose,
    make_config,
    read_packets,
    with_hops_left,
)
from recorded.draw import ALWAYS, GENERATED, draw, write_packets
from statefulinspect import Reason, decode

CAPTURES = ("office", "http", "dns", "ping", "ftp-active", "ftp-passive", "ssh")

SLEPT = 2.2  # seconds at least of a longer pause: more than the two that UDP counts
MOVE_TAKES, LOOK_EVERY = 1.1, 0.005  # seconds
LATEST = 0.15  # seconds: what the answers' tolerance forgives
ATTEMPTS, WORKERS = 3, 3
SHOWN = 5


class LateError(Exception):
    """Report that this machine was too busy for the packets to arrive in time."""


class Clock:
    """Make the kernel's time pass: by waiting, or by making its connections older."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._began_at = time.monotonic()
        self._moved = 0
        self.latest = 0.0

    def now(self) -> float:
        return time.monotonic() - self._began_at + self._moved

    def wait_until(self, at: float) -> None:
        if at - self.now() > SLEPT + 1:
            self._move(int(at - self.now() - SLEPT))
        time.sleep(max(0, at - self.now()))
        self.latest = max(self.latest, self.now() - at)

    def _move(self, seconds: int) -> None:
        """Make every connection older, in one second of which it is seen ageing.

        The kernel tells and takes whole seconds. When it tells one less, what is left is whole.
        """
        table = self._kernel._table
        before = {entry.orig: entry.timeout for entry in table.entries()}
        until = time.monotonic() + MOVE_TAKES
        while before and time.monotonic() < until:
            for entry in table.entries():
                if entry.timeout < before.get(entry.orig, 0):
                    left = before.pop(entry.orig) - seconds
                    with suppress(FileNotFoundError):  # it died meanwhile
                        change = partial(table.set_timeout, entry.orig, left)
                        change() if left > 0 else table.delete(entry.orig)
            time.sleep(LOOK_EVERY)
        self._moved += seconds


def kernel_answer(kernel: Kernel, wire: bytes) -> Answer:
    answer = kernel.send(wire)
    if answer is None:
        return Answer("discarded")
    entry = answer.entry
    is_error = flow_of(wire) != lookup_flow(wire)
    if entry is None or (is_error and answer.ct_state == "invalid"):  # of a misdirected error
        return compose(answer.ct_state, answer.direction, None)
    known = Known(entry.state, entry.timeout, entry.seen_reply, entry.assured, entry.counts or ())
    return compose(answer.ct_state, answer.direction, known)


def record(name: str, packets_in: str) -> Recording:
    """Let a kernel with empty tables answer all packets but fragments."""
    sysctls = {**ALWAYS, **GENERATED.get(name, {})}
    config = make_config(sysctls)
    assert sysctls.items() <= sysctls_of(config).items()
    packets = read_packets(RECORDED / packets_in)
    answers: dict[int, Answer] = {}
    with Kernel() as kernel:
        configure(kernel, config)
        clock = Clock(kernel)
        for number, (at, wire) in enumerate(packets, start=1):
            if decode(wire).reason is not Reason.FRAGMENT:  # the kernel waits for the others
                clock.wait_until(at)
                answers[number] = kernel_answer(kernel, with_hops_left(wire))
    if clock.latest > LATEST:
        msg = f"{name}: a packet was {clock.latest:.3f} s late"
        raise LateError(msg)
    release = platform.release().partition("-")[0]
    return Recording(name, release, sysctls, packets_in, len(packets) - len(answers), answers)


def record_in_time(name: str) -> Recording:
    """Record; again where the machine was too busy."""
    packets_in = f"{name}.pcap" if name in GENERATED else f"../captures/{name}.pcap"
    for _ in range(ATTEMPTS - 1):
        with suppress(LateError):
            return record(name, packets_in)
    return record(name, packets_in)


def is_change(was: Answer | None, now: Answer | None) -> bool:
    """Say whether an answer changed; the kernel rounds, so one second is none."""
    if was is None or now is None or was.seconds is None or now.seconds is None:
        return was != now
    return was.words != now.words or abs(was.seconds - now.seconds) > 1


def merge(stored: Recording, recorded: Recording) -> list[str]:
    """Keep the stored answers that did not change; describe those that did."""
    changes = []
    for number in sorted({*stored.answers, *recorded.answers}):
        was, now = stored.answers.get(number), recorded.answers.get(number)
        if is_change(was, now):
            changes.append(f"packet {number}: was {was}, is {now}")
        else:
            recorded.answers[number] = was
    return changes


def tell(recorded: Recording, *, is_kept: bool) -> bool:
    """Print what changed against what is stored; say whether anything did."""
    path = RECORDED / f"{recorded.name}.txt"
    count = len(recorded.answers)
    if not (is_kept and path.exists()):
        print(f"{recorded.name}: {count} packets, new")  # noqa: T201 - a command
        return True
    stored = Recording.read(path)
    changes = merge(stored, recorded)
    told = f"{len(changes)} of {count} answers changed" if changes else f"{count} unchanged"
    rest = [f"and {len(changes) - SHOWN} more"] if len(changes) > SHOWN else []
    print("\n    ".join([f"{recorded.name}: {told}", *changes[:SHOWN], *rest]))  # noqa: T201
    return bool(changes) or stored.sysctls != recorded.sysctls


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if anything changed")
    parser.add_argument("--draw", action="store_true", help="draw the generated packets anew")
    arguments = parser.parse_args()
    if arguments.check and arguments.draw:
        parser.error("--draw writes, and --check must not")
    if reason := missing():
        parser.error(reason)
    drawn = {
        name
        for name in GENERATED
        if not arguments.check and (arguments.draw or not (RECORDED / f"{name}.pcap").exists())
    }
    for name in drawn:
        write_packets(RECORDED / f"{name}.pcap", draw(name))
    has_changed = False
    with ProcessPoolExecutor(WORKERS) as pool:
        for recorded in pool.map(record_in_time, [*CAPTURES, *GENERATED]):
            has_changed |= tell(recorded, is_kept=recorded.name not in drawn)
            if not arguments.check:
                recorded.write()
    return int(arguments.check and has_changed)


if __name__ == "__main__":
    sys.exit(main())
