"""A packet on its way through a router of two devices, lan0 and wan0."""

from __future__ import annotations

from typing import NamedTuple


class Sent(NamedTuple):
    """A packet, where it comes from (the router itself: hook output) and words for people.

    `device` is where it comes in, or for output goes out.
    """

    wire: bytes
    text: str
    hook: str
    device: str
    mark: int = 0

    @property
    def iif(self) -> str:
        return "" if self.hook == "output" else self.device

    @property
    def oif(self) -> str:
        other = "wan0" if self.device == "lan0" else "lan0"
        return {"forward": other, "input": "", "output": self.device}[self.hook]
