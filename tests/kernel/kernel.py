"""The kernel's connection tracker as an object: put a packet in, get its answer."""

from __future__ import annotations

import ipaddress
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Literal, NamedTuple, cast

from kernel.conntrack import Entry, Expected
from kernel.flow import SourceKey, lookup_flow, no_source_key
from kernel.nflog import Logged, LogReader, decode
from kernel.router import DEVICES, LOG_GROUP, NETWORKS, SYSCTLS, Device, Router

Direction = Literal["original", "reply"]
CtState = Literal["new", "established", "related", "invalid", "untracked", "dropped"]

COMPLAINTS_GROUP = 0  # where conntrack itself logs
ARRIVED = "arrived"
DRAIN_EVERY = 128  # packets; below the TUN queue length of 500
CLOCK_TICK = 0.012  # seconds; longer than one tick at any HZ >= 100

# A packet's DSCP says which zone it is in; the lookup by ctnetlink knows zone 0 only.
ZONES = {1: "zone set 5", 2: "original zone set 6", 3: "reply zone set 7",
         4: "original zone set 5", 5: "reply zone set 5"}  # fmt: skip
ZONE_RULES = "\n".join(
    f"add rule inet harness arrive {family} dscp {dscp} ct {setting}"
    for dscp, setting in ZONES.items()
    for family in ("ip", "ip6")
)

HELPERS = {
    ("tcp", 21): "ftp",
    ("udp", 69): "tftp",
    ("tcp", 6667): "irc",
    ("udp", 10080): "amanda",
    ("tcp", 6566): "sane",
    ("tcp", 1723): "pptp",
    ("udp", 5060): "sip",
    ("tcp", 5060): "sip",
}


def helper_rules() -> str:
    """The nft rules that have new connections read by the helpers of these ports."""
    named = [
        (f"{name}-{protocol}", name, protocol, port) for (protocol, port), name in HELPERS.items()
    ]
    objects = [
        f'add ct helper inet harness {label} {{ type "{name}" protocol {protocol}; }}'
        for label, name, protocol, _ in named
    ]
    chain = "add chain inet harness assign { type filter hook prerouting priority -150; }"
    rules = [
        f'add rule inet harness assign {protocol} dport {port} ct helper set "{label}"'
        for label, _, protocol, port in named
    ]
    return "\n".join([*objects, chain, *rules])


RULESET = f"""
table inet harness {{
  chain arrive {{
    type filter hook prerouting priority -300; policy accept;
    log prefix "{ARRIVED}" group {LOG_GROUP}
  }}
  chain answer {{
    type filter hook prerouting priority -100; policy accept;
    ct state invalid log prefix "invalid" group {LOG_GROUP} accept
    ct state untracked log prefix "untracked" group {LOG_GROUP} accept
    ct state new ct direction original log prefix "new/original" group {LOG_GROUP} accept
    ct state new ct direction reply log prefix "new/reply" group {LOG_GROUP} accept
    ct state established ct direction original \
      log prefix "established/original" group {LOG_GROUP} accept
    ct state established ct direction reply \
      log prefix "established/reply" group {LOG_GROUP} accept
    ct state related ct direction original \
      log prefix "related/original" group {LOG_GROUP} accept
    ct state related ct direction reply \
      log prefix "related/reply" group {LOG_GROUP} accept
  }}
  chain mute {{
    type filter hook output priority -300; policy drop;
  }}
}}
"""


class Answer(NamedTuple):
    """What the kernel said about one packet.

    `ct_state` "dropped" means that conntrack itself dropped the packet.
    `direction` is None for "invalid", "untracked" and "dropped".
    `entry` is the packet's entry after it went through (for an ICMP error: the
    entry of the quoted packet); always None from `send_many`. `passed` tells whether
    the packet was sent on.
    """

    ct_state: CtState
    direction: Direction | None
    entry: Entry | None
    passed: bool = True


class Kernel(Router):
    """A router whose rules tell what conntrack makes of each packet."""

    def __init__(self, *, with_zones: bool = False, with_helpers: bool = False) -> None:
        self._rules = [RULESET]
        self._rules += [ZONE_RULES] if with_zones else []
        self._rules += [helper_rules()] if with_helpers else []
        super().__init__()

    def _set_up(self) -> None:
        self._open_devices(SYSCTLS)
        self._connect()
        self._namespace.run("nft", "-f", "-", stdin="\n".join(self._rules))
        self._listen()
        self._drain()  # what the router told groups before it was muted

    def send(
        self,
        packet: bytes,
        device: Device | None = None,
        *,
        source_key: SourceKey = no_source_key,
    ) -> Answer | None:
        """Let a packet arrive at `device` (default: `device_of`); return the answer.

        None: the packet did not get as far as conntrack (a bad IP header, or a
        fragment kept until the others are here).
        """
        logged = self._inject(packet, device or device_of(packet))
        passed = bool(self._drain())
        if logged is None:
            return None
        flow = lookup_flow(logged.packet, source_key)
        answer = _answer(logged.prefix, None if flow is None else self._table.get(flow))
        return answer._replace(passed=passed)

    def send_many(self, packets: Iterable[tuple[bytes, Device]]) -> list[Answer | None]:
        """As `send` for each packet in turn, but fast: no entries are looked up."""
        answers: list[Answer | None] = []
        for count, (packet, device) in enumerate(packets, start=1):
            logged = self._inject(packet, device)
            answers.append(None if logged is None else _answer(logged.prefix, None))
            if count % DRAIN_EVERY == 0:
                self._drain()
        self._drain()
        return answers

    def _inject(self, packet: bytes, device: Device) -> Logged | None:
        """Write a packet to a device; return the last that was logged about it."""
        if not self._write(packet, device):
            return None
        arrived = self._log.poll()
        return None if arrived is None else decode(self._log.poll() or arrived)

    def entries(self) -> list[Entry]:
        """All entries of the connection-tracking table."""
        return self._table.entries()

    def expectations(self) -> list[Expected]:
        """All expectations."""
        return self._table.expectations()

    def flush(self) -> None:
        """Delete all entries."""
        self._table.flush()

    def sysctl(self, name: str, value: int | None = None) -> int:
        """Read, or write and read back, a sysctl of the namespace: of net.netfilter, or net.*."""
        full = name if name.startswith("net.") else f"net.netfilter.{name}"
        if value is not None:
            self._namespace.write_sysctl(full, value)
        return int(self._namespace.read_sysctl(full))

    @contextmanager
    def complaining(self) -> Iterator[Callable[[], list[str]]]:
        """Make conntrack log why it calls packets invalid; call what is given to read the log."""
        for family in (2, 10):
            self._namespace.write_sysctl(f"net.netfilter.nf_log.{family}", "nfnetlink_log")
        with self._namespace.entered():
            reader = LogReader(COMPLAINTS_GROUP)
        self.sysctl("nf_conntrack_log_invalid", 255)
        try:
            yield lambda: [decode(message).prefix for message in iter(reader.poll, None)]
        finally:
            self.sysctl("nf_conntrack_log_invalid", 0)
            reader.close()

    @contextmanager
    def table(self, contents: str) -> Iterator[None]:
        """Have another nft table for a while."""
        name = "inet passing"
        self._namespace.run("nft", "-f", "-", stdin=f"table {name} {{\n{contents}\n}}")
        try:
            yield
        finally:
            self._namespace.run("nft", "delete", "table", *name.split())

    def start(self, *command: str, stdout: IO[str]) -> subprocess.Popen[str]:
        """Start a command in the kernel's namespace; it does not outlive this process."""
        return self._namespace.start(*command, stdout=stdout)

    def advance(self, seconds: int) -> None:
        """Let virtual time pass: every entry has `seconds` less to live.

        An entry with no more than that left is deleted. Clocks that are not the
        entry's timeout (UDP: "2 seconds since creation") do not move; sleep for
        those. The kernel rounds what is left down, so wait one tick and count up.
        """
        time.sleep(CLOCK_TICK)
        for entry in self._table.entries():
            left = entry.timeout + 1 - seconds
            with suppress(FileNotFoundError):  # it died by itself meanwhile
                if left > 0:
                    self._table.set_timeout(entry.orig, left)
                else:
                    self._table.delete(entry.orig)


def _answer(prefix: str, entry: Entry | None) -> Answer:
    """Translate the prefix of the last log message."""
    if prefix == ARRIVED:
        return Answer("dropped", None, entry)
    state, _, direction = prefix.partition("/")
    return Answer(cast(CtState, state), cast(Direction, direction) if direction else None, entry)


def _subnets() -> dict[int, dict[bytes, Device]]:
    """{address length: {network prefix: device}}; prefixes are whole bytes."""
    found: dict[int, dict[bytes, Device]] = {4: {}, 16: {}}
    for device in DEVICES:
        for address in NETWORKS[device]:
            network = ipaddress.ip_interface(address).network
            packed = network.network_address.packed
            found[len(packed)][packed[: network.prefixlen // 8]] = device
    return found


_SUBNETS = _subnets()


def device_of(packet: bytes) -> Device:
    """The device that a packet arrives at: where its source is, else its destination is not."""
    version = packet[0] >> 4 if packet else 0
    if version not in (4, 6):
        return "lan0"
    at, size = (12, 4) if version == 4 else (8, 16)
    source = _subnet_device(packet[at : at + size])
    if source is not None:
        return source
    return "wan0" if _subnet_device(packet[at + size : at + 2 * size]) == "lan0" else "lan0"


def _subnet_device(address: bytes) -> Device | None:
    """The device whose subnet holds an address, or None."""
    subnets = _SUBNETS.get(len(address), {})
    return next((subnets[prefix] for prefix in subnets if address.startswith(prefix)), None)
