"""The kernel with rulesets as people have them: what it cannot be asked about is taken out before.

Chains that translate addresses are left out, for packets must keep theirs, and so is what would
delete the table of the harness. Rates are slowed until the clock does not matter. `reject` is
made to log, but not where text only mentions it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kernel.rule_kernel import LOG_GROUP, REJECTED, RuleKernel
from statefulinspect import Ruleset

REJECT = re.compile(r'"[^"\n]*"|#.*|(?P<told>(?<![\w@-])reject(?![\w-]| *[{=]))')
LOGGED = f'log prefix "{REJECTED}" group {LOG_GROUP} reject'
NO_CHAIN = re.compile(r"line (\d+): type nat is not supported")
NO_RULE = re.compile(r"line (\d+): .*\b(?:fib|nat|dnat|snat|masquerade|redirect)\b")


@dataclass(frozen=True)
class RealRuleset:
    """A ruleset as somebody wrote it, that cannot be made smaller."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def counts_connections(self) -> bool:
        """Tell whether connections are counted: the kernel forgets ended ones once in a tick."""
        return "ct count" in self.text

    def smaller(self) -> Iterator[RealRuleset]:
        return iter(())


class RealKernel(RuleKernel):
    """A router that takes whole files."""

    def load(self, ruleset: str) -> None:
        """Replace the ruleset, and forget all connections; RefusedError if nft says no."""
        told = REJECT.sub(lambda found: LOGGED if found["told"] else found[0], ruleset)
        self._nft("-f", "-", stdin="\n".join([*self._deletions(), told]))
        self._table.flush()
        self._drain()

    def _deletions(self) -> list[str]:
        listed = json.loads(self._nft("-j", "list tables"))["nftables"]
        tables = [each["table"] for each in listed if "table" in each]
        names = [f"{each['family']} {each['name']}" for each in tables]
        return [f"delete table {name}" for name in names if name != "inet harness"]

    def listing(self, option: str) -> str:
        """List what is loaded, the harness' table with it, as nft does with an option."""
        return self._nft(option, "list ruleset")

    def check(self, ruleset: str) -> None:
        """Have nft read a file as it is; RefusedError if it says no."""
        self._nft("-c", "-f", "-", stdin=ruleset)


def comparable(ruleset: str) -> RealRuleset:
    """Leave out what cannot be compared, and slow what depends on the clock."""
    ruleset = re.sub(r"/ ?(second|minute)\b", "/hour", ruleset)
    lines = re.sub(r"^\s*flush ruleset.*$", "", ruleset, flags=re.MULTILINE).split("\n")
    for warning in Ruleset.parse(ruleset, unsupported="ignore").warnings:
        if found := NO_CHAIN.match(warning):
            _leave_out_chain(lines, int(found[1]) - 1)
        elif found := NO_RULE.match(warning):
            lines[int(found[1]) - 1] = ""
    return RealRuleset("\n".join(lines))


def _leave_out_chain(lines: list[str], at: int) -> None:
    """Empty the lines of the block around a line; of a command only its line."""
    if lines[at].lstrip().startswith("add"):
        lines[at] = ""
        return
    while "chain" not in lines[at]:
        at -= 1
    depth = 0
    while True:
        depth += lines[at].count("{") - lines[at].count("}")
        lines[at] = ""
        if depth == 0:
            return
        at += 1
