"""Send packets past the same rules in the library and in the kernel; say where they differ.

Compared are what becomes of every packet, and at the end what counters have counted and sets have
learnt.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from kernel.kernel import CLOCK_TICK
from kernel.rule_counts import Counted, library_counters
from kernel.rule_drawing import DrawnRuleset, draw_ruleset
from kernel.rule_kernel import Outcome, RefusedError, RuleKernel
from kernel.rule_traffic import Sent, draw_traffic
from statefulinspect import Config, RuleError, Ruleset, Tracker, Verdict

STEP = 0.00005  # seconds between packets, about what the kernel takes for one
MOST_TOLD = 3  # to tell, for one may hide another
SLOW_PACKETS = 100  # where time must pass between them
CONFIG = Config.linux(accounting=True)
NFT_BUG = "Assertion"  # nft 1.0.6 aborts at some comparisons of fields beside each other


def library_fate(verdict: Verdict) -> str:
    """Say what becomes of a packet."""
    if verdict.reason.effect.name in ("DISCARD", "HOLD"):
        return "drop"
    return verdict.action.value


def send_library(tracker: Tracker, packet: Sent, now: float) -> Verdict:
    return tracker.process(
        packet.wire, now, iif=packet.iif, oif=packet.oif, mark=packet.mark, hook=packet.hook
    )


def send_kernel(kernel: RuleKernel, packet: Sent) -> Outcome:
    if packet.hook == "output":
        return kernel.emit(packet.wire, packet.mark)
    return kernel.arrive(packet.wire, packet.device)


@dataclass(frozen=True)
class Difference:
    """Rules and packets after which the two differ, and what either says."""

    rules: DrawnRuleset
    packets: tuple[Sent, ...]
    library: str
    kernel: str

    def __str__(self) -> str:
        lines = [str(self.rules)]
        for packet in self.packets:
            ways = f"{packet.hook} iif={packet.iif} oif={packet.oif} mark={packet.mark}"
            lines += [f"{ways}  {packet.text}", f"  {packet.wire.hex()}"]
        return "\n".join([*lines, f"library: {self.library}", f"kernel:  {self.kernel}"])


def compare(
    kernel: RuleKernel,
    rules: DrawnRuleset,
    packets: Sequence[Sent],
    fates: Counter | None = None,
) -> Difference | None:
    """Send packets past rules, in either; tell the first difference. Fates are counted."""
    kernel.load(str(rules))
    try:
        tracker = Tracker(Ruleset.parse(str(rules)), CONFIG)
    except RuleError as error:
        return Difference(rules, (), f"refuses the ruleset: {error}", "accepts it")
    pause = CLOCK_TICK if rules.counts_connections else 0
    for number, packet in enumerate(packets[:SLOW_PACKETS] if pause else packets):
        if pause:
            time.sleep(pause)
        outcome = send_kernel(kernel, packet)
        verdict = send_library(tracker, packet, number * (STEP + pause))
        ours = library_fate(verdict)
        if fates is not None:
            fates[packet.hook, outcome.fate] += 1
        if ours != outcome.fate:
            sides = verdict.direction.value if verdict.direction else "-"
            words = f"{ours} ({verdict.ct_state.value} {sides} {verdict.reason.name})"
            return Difference(rules, tuple(packets[: number + 1]), words, outcome.fate)
    told = differing_counts(library_counters(tracker), kernel.counted())
    return Difference(rules, tuple(packets), *told) if told else None


def differing_counts(ours: Counted, theirs: Counted) -> tuple[str, str] | None:
    """Tell the first thing that was counted differently, as either says; None if there is none."""
    for name in Counted._fields:
        mine, other = getattr(ours, name), getattr(theirs, name)
        for key in sorted({*mine, *other}, key=str):
            if mine.get(key) != other.get(key):
                words = f"{name} {key}: "
                return words + _shown(mine.get(key)), words + _shown(other.get(key))
    return None


def _shown(value: object) -> str:
    return str(sorted(value)) if isinstance(value, frozenset) else str(value)


def shrink(kernel: RuleKernel, found: Difference) -> Difference:
    """Leave out packets and rules as long as a difference of the same kind remains."""
    while True:
        before = found
        found = _fewer_rules(kernel, _fewer_packets(kernel, found))
        if found is before:
            return found


def _again(kernel: RuleKernel, found: Difference, rules: DrawnRuleset, packets: Sequence[Sent]):
    """Compare something smaller; give what was found before if that does not differ."""
    try:
        again = compare(kernel, rules, packets)
    except RefusedError:
        return found
    is_alike = again is not None and _kind(again) == _kind(found)
    return again if is_alike else found


def _kind(found: Difference) -> str:
    """Tell refusals, fates and counts apart, lest one is taken for another."""
    return found.library.split()[0] if not found.library.startswith("refuses") else found.library


def _fewer_packets(kernel: RuleKernel, found: Difference) -> Difference:
    size = len(found.packets)
    while size := size // 2:
        at = len(found.packets) - size
        while at >= 0:
            fewer = found.packets[:at] + found.packets[at + size :]
            found = _again(kernel, found, found.rules, fewer)
            at = min(at, len(found.packets)) - size
    return found


def _fewer_rules(kernel: RuleKernel, found: Difference) -> Difference:
    """Leave out what can be, beginning anew after each success: later choices remain the same."""
    at = 0
    while (fewer := _nth(found.rules.smaller(), at)) is not None:
        again = _again(kernel, found, fewer, found.packets)
        at = at + 1 if again is found else at
        found = again
    return found


def _nth(choices: Iterator[DrawnRuleset], at: int) -> DrawnRuleset | None:
    return next((each for number, each in enumerate(choices) if number == at), None)


@dataclass
class Tally:
    """What was compared, and the first differences, made small."""

    rulesets: int = 0
    fates: Counter = field(default_factory=Counter)  # by hook and fate
    refused: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def told(self) -> int:
        return len(self.refused) + len(self.differences)


def run(seed: int, rulesets: int, packets: int) -> Tally:
    """Compare so many rulesets that are drawn by a seed and by those that follow it."""
    tally = Tally()
    with RuleKernel() as kernel:
        for number in count(seed):
            if tally.rulesets == rulesets or tally.told >= MOST_TOLD:
                break
            dice = random.Random(number)
            rules, traffic = draw_ruleset(dice), draw_traffic(dice, packets)
            try:
                found = compare(kernel, rules, traffic, tally.fates)
            except RefusedError as error:
                if NFT_BUG not in str(error):
                    tally.refused.append(f"ruleset {number}\n{error}")
                continue
            tally.rulesets += 1
            if found is not None:  # on a busy machine the kernel is late to free what rules delete
                found = compare(kernel, rules, traffic, Counter())
            if found is not None:
                tally.differences.append(f"ruleset {number}\n{shrink(kernel, found)}")
    return tally
