"""One expected connection: what was announced, by whom, until when, and how it is told to people.

An expectation names where a connection will go, exactly, and where from, as far as that is known.
"""

from __future__ import annotations

from math import inf
from typing import Final

import attrs

from statefulinspect.connection import Connection
from statefulinspect.flowkey import GRE, address_of, show_address
from statefulinspect.helpers.model import Helper
from statefulinspect.helpers.statements import Announce
from statefulinspect.listing import seconds_left

ALL_BITS: Final = 65535  # of a port


@attrs.define(eq=False)
class Expectation:
    """Hold one expected connection: what was announced, by whom, and until when.

    Yours to read. Addresses are wire octets; `source` and `source_port` are None if they do not
    matter, and of `source` only the bits in `source_mask` do.

    >>> from statefulinspect import Config, Tracker
    >>> tracker = Tracker(config=Config(helpers={69: "tftp"}))
    >>> wire = "4500002600000000401100000a0000010a0000029c40004500120000" + "000161006f6374657400"
    >>> _ = tracker.process(bytes.fromhex(wire), now=0.0)
    >>> tracker.expectations
    [Expectation(proto=17 src=10.0.0.2 dst=10.0.0.1 sport=0 dport=40000 helper=tftp)]
    """

    announced: Announce
    master: Connection
    helper: Helper
    expires_at: float = inf
    filed_at: float = inf
    is_inactive: bool = False

    @property
    def protocol(self) -> int:
        """Give the protocol number."""
        return self.announced.protocol

    @property
    def source(self) -> bytes | None:
        """Give the source address."""
        return self.announced.source

    @property
    def source_port(self) -> int | None:
        """Give the source port, or GRE's source key."""
        return self.announced.source_port

    @property
    def destination(self) -> bytes:
        """Give the destination address."""
        return self.announced.destination

    @property
    def destination_port(self) -> int:
        """Give the destination port, or GRE's call id."""
        return self.announced.destination_port

    @property
    def is_permanent(self) -> bool:
        """Tell whether it outlives the first connection that fits."""
        return self.announced.is_permanent

    @property
    def kind(self) -> str:
        """Give its kind, one of its helper's."""
        return self.announced.kind

    @property
    def place(self) -> tuple[int, bytes, int]:
        """Give what is always compared exactly: protocol, destination address and port."""
        return self.protocol, self.destination, self.destination_port

    def fits(self, source: bytes, source_port: int) -> bool:
        """Say whether a connection to the right place comes from the right one."""
        port = self.source_port
        return (port is None or port == source_port) and self._is_source(source)

    def _is_source(self, source: bytes) -> bool:
        if self.source is None:
            return True
        return masked(source, self.mask) == masked(self.source, self.mask)

    @property
    def mask(self) -> bytes:
        """Give the bits of the source address that matter."""
        size = len(self.destination)
        if self.source is None:
            return bytes(size)
        return self.announced.source_mask or b"\xff" * size

    def is_same(self, other: Expectation) -> bool:
        """Say whether both expect exactly the same, whoever announced it."""
        return (
            self.place == other.place
            and (self.source, self.source_port) == (other.source, other.source_port)
            and self.mask == other.mask
            and self.master.zone == other.master.zone
        )

    def renews(self, other: Expectation) -> bool:
        """Say whether this is the same told again."""
        is_its_own = self.master is other.master and self.kind == other.kind
        return is_its_own and self.is_same(other)

    def overlaps(self, other: Expectation) -> bool:
        """Say whether some connection would fit both."""
        both = bytes(a & b for a, b in zip(self.mask, other.mask))
        same_source = masked(self.source or both, both) == masked(other.source or both, both)
        ports = {self.source_port, other.source_port} - {None}
        same_zone = self.master.zone == other.master.zone
        return self.place == other.place and same_source and len(ports) < 2 and same_zone

    def seconds_left(self, now: float) -> int:
        """Tell the whole seconds left, as `Connection.seconds_left` does."""
        return seconds_left(self.expires_at, now)

    def to_conntrack(self, now: float) -> str:
        """Write the line that `conntrack -L expect` (1.4.7) prints."""
        size = len(self.destination)
        master = self.master.original
        words = [str(self.seconds_left(now)), f"proto={self.protocol}", self._ends()]
        words += [f"mask-src={_shown(self.mask)} mask-dst={_shown(bytes([255]) * size)}"]
        words += [self._keys(0 if self.source_port is None else ALL_BITS, ALL_BITS)]
        words += [f"master-src={show_address(master.source)}"]
        words += [f"master-dst={show_address(master.destination)}"]
        words += [f"sport={master.source_port or 0} dport={master.destination_port or 0}"]
        words += [self._flags()] if self._flags() else []
        return " ".join([*words, f"class={self.class_number}", f"helper={self.helper.name}"])

    def to_proc(self, now: float) -> str:
        """Write the line of `/proc/net/nf_conntrack_expect`."""
        family = 2 if len(self.destination) == 4 else 10
        words = [f"{self.seconds_left(now)} l3proto = {family} proto={self.protocol}"]
        words += [self._ends(full=True), *([self._flags()] if self._flags() else [])]
        return " ".join([*words, self.helper.name + (f"/{self.kind}" if self.kind else "")])

    @property
    def class_number(self) -> int:
        """Tell the number of its kind among its helper's, which is what Linux calls its class."""
        return list(self.helper.policies).index(self.kind)

    def _ends(self, *, full: bool = False) -> str:
        source = self.source or bytes(len(self.destination))
        show = _in_full if full else _shown
        keys = self._keys(self.source_port or 0, self.destination_port)
        return f"src={show(source)} dst={show(self.destination)} {keys}"

    def _keys(self, source: int, destination: int) -> str:
        """Write ports, or GRE's keys, as conntrack does."""
        if self.protocol == GRE:
            return f"srckey={source:#x} dstkey={destination:#x}"
        return f"sport={source} dport={destination}"

    def _flags(self) -> str:
        flags = {"PERMANENT": self.is_permanent, "INACTIVE": self.is_inactive}
        return ",".join(name for name, is_set in flags.items() if is_set)

    def __repr__(self) -> str:
        """Show what is expected, and by whom."""
        return f"Expectation(proto={self.protocol} {self._ends()} helper={self.helper.name})"


def masked(octets: bytes, mask: bytes) -> bytes:
    """Clear the bits that do not matter."""
    return bytes(a & b for a, b in zip(octets, mask))


def _shown(octets: bytes) -> str:
    return show_address(address_of(octets))


def _in_full(octets: bytes) -> str:
    return address_of(octets).exploded
