"""The kernel's nftables as an object: load a ruleset, put a packet in, get its fate.

A router whose ruleset is the one that is asked about, and beside it a table of the harness: it
says which packets were delivered, and notes the answers that the kernel makes, then drops them
before they are tracked or see a rule. A packet was accepted if it left by a device or was
delivered, and rejected if it came to a `reject`, each of which is made to log just before. Nothing
has to be waited for: by the time that a packet is written, it has its fate.
"""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import suppress
from typing import Literal, NamedTuple

from kernel.nflog import decode
from kernel.router import LOG_GROUP, SYSCTLS, Device, Router
from kernel.rule_counts import Counted, read_listing

Hook = Literal["forward", "input", "output"]
Fate = Literal["accept", "drop", "reject"]

DELIVERED, ANSWERED, REJECTED = "delivered", "answered", "rejected"
OWN_PRIORITY = 0x5EED  # SO_PRIORITY of what the harness sends from the router itself
IPV6_HDRINCL = 36
RATES = {
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv6.icmp.ratelimit": 0,
    "net.netfilter.nf_conntrack_acct": 1,
}

# Conntrack adds an entry to its table at the last priority, too, and drops what clashes with one
# there. Of chains with the same priority those that were there first come last, so that `deliver`
# comes after it. The router itself speaks to groups now and then, which answers nothing.
RULESET = f"""
table inet harness {{
  chain mute {{
    type filter hook output priority -2147483648; policy accept;
    ip6 daddr ff00::/8 drop
    meta priority != 0:{OWN_PRIORITY:x} log prefix "{ANSWERED}" group {LOG_GROUP} drop
  }}
  chain deliver {{
    type filter hook input priority 2147483647; policy accept;
    log prefix "{DELIVERED}" group {LOG_GROUP}
  }}
}}
"""
TRACKING = """
table inet harness {
  chain track {
    type filter hook prerouting priority 2147483647; policy accept;
    ct state new
  }
}
"""


class Outcome(NamedTuple):
    """What became of a packet; `answer` is what the kernel sent back itself, if anything."""

    fate: Fate
    answer: bytes | None = None


class RefusedError(Exception):
    """nft refuses a ruleset."""


class RuleKernel(Router):
    """A router in a private network namespace, with rules; use it as a context manager."""

    def __init__(self) -> None:
        self._tables: list[str] = []
        super().__init__()

    def _set_up(self) -> None:
        for ruleset in (RULESET, TRACKING):
            self._nft("-f", "-", stdin=ruleset)
        self._open_devices({**SYSCTLS, **RATES})
        with self._namespace.entered():
            self._sockets = {4: _raw_socket(socket.AF_INET), 6: _raw_socket(socket.AF_INET6)}
        for each in self._sockets.values():
            self._held.callback(each.close)
        self._listen()
        self._connect()

    def load(self, ruleset: str) -> None:
        """Replace the ruleset, and forget all connections; RefusedError if nft says no."""
        rejects = f'log prefix "{REJECTED}" group {LOG_GROUP} reject'
        deleted = [f"delete {each}" for each in self._tables]
        told = re.sub(r"\breject\b", rejects, ruleset)
        self._nft("-f", "-", stdin="\n".join([*deleted, told]))
        self._tables = re.findall(r"^\s*(table \w+ \w+)", ruleset, re.MULTILINE)
        self._table.flush()
        self._drain()

    def _nft(self, *arguments: str, stdin: str = "") -> str:
        with self._namespace.entered():
            done = subprocess.run(
                ["nft", *arguments], input=stdin, text=True, capture_output=True, check=False
            )
        if done.returncode != 0:
            raise RefusedError(done.stderr.strip())
        return done.stdout

    def arrive(self, packet: bytes, device: Device) -> Outcome:
        """Let a packet arrive at a device, for others or for the router itself."""
        self._write(packet, device)
        return self._outcome()

    def emit(self, packet: bytes, mark: int = 0) -> Outcome:
        """Send a packet from the router itself."""
        version = packet[0] >> 4
        at, family = (16, socket.AF_INET) if version == 4 else (24, socket.AF_INET6)
        destination = socket.inet_ntop(family, packet[at : at + (4 if version == 4 else 16)])
        sender = self._sockets[version]
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        with suppress(PermissionError):  # the rules dropped it
            sender.sendto(packet, (destination, 0))
        return self._outcome()

    def _outcome(self) -> Outcome:
        """Tell what happened to the last packet."""
        found = {}
        while (message := self._log.poll()) is not None:
            logged = decode(message)
            found[logged.prefix] = logged.packet
        left = self._drain()
        if left or DELIVERED in found:
            return Outcome("accept")
        return Outcome("reject", found.get(ANSWERED)) if REJECTED in found else Outcome("drop")

    def counted(self) -> Counted:
        """Read what the ruleset has counted so far."""
        return read_listing(self._nft("-j", "list ruleset; list meters"))


def _raw_socket(family: int) -> socket.socket:
    """Make a socket whose packets have their own IP header."""
    made = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, OWN_PRIORITY)
    return made
