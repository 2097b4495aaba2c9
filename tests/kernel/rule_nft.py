"""The nft command in a namespace of its own: does it take a ruleset, how does it list it?"""

from __future__ import annotations

import re
import subprocess

from kernel.netns import Namespace

TABLE = re.compile(r"^table .*?^}", re.MULTILINE | re.DOTALL)
CRASHED = "crashed"  # by an assertion or worse: what nft wants is not known


class Nft:
    """Load rulesets one by one; use it as a context manager."""

    def __init__(self) -> None:
        self._namespace = Namespace()

    def __enter__(self) -> Nft:
        return self

    def __exit__(self, *_: object) -> None:
        self._namespace.close()

    def _run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with self._namespace.entered():
            return subprocess.run(
                ["nft", *arguments], input=stdin, text=True, capture_output=True, check=False
            )

    def judges(self, text: str) -> str:
        """Say whether the ruleset is taken or refused, by nft or by the kernel."""
        done = self._run("-f", "-", stdin=f"flush ruleset\n{text}")
        if done.returncode < 0:
            return CRASHED
        return "refused" if done.returncode else "taken"

    def lists(self, texts: list[str]) -> list[str]:
        """Load rulesets of one table each at once, and list their tables, in their order."""
        done = self._run("-f", "-", stdin="\n".join(["flush ruleset", *texts]))
        assert done.returncode == 0, done.stderr
        return TABLE.findall(self._run("-s", "list", "ruleset").stdout)
