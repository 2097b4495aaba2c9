"""A router between two devices in a private network namespace, which packets are put into."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, suppress
from typing import Literal

from kernel.conntrack import Table
from kernel.netns import Namespace, open_tun
from kernel.nflog import LogReader

Device = Literal["lan0", "wan0"]

DEVICES: tuple[Device, Device] = ("lan0", "wan0")
NETWORKS: dict[Device, tuple[str, str]] = {
    "lan0": ("10.0.1.1/24", "fd00:1::1/64"),
    "wan0": ("10.0.2.1/24", "fd00:2::1/64"),
}
LOG_GROUP = 7
MTU = 65535

SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.accept_local": 1,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.default.addr_gen_mode": 1,
}


class Router:
    """A router whose rules its kind loads; use it as a context manager."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._tuns: dict[Device, int] = {}
        try:
            self._namespace = Namespace()
            self._held.callback(self._namespace.close)
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        """Set the router up: in the order that its kind needs."""
        raise NotImplementedError

    def _open_devices(self, sysctls: dict[str, int]) -> None:
        """Set sysctls, and make the devices."""
        for name, value in sysctls.items():
            self._namespace.write_sysctl(name, value)
        with self._namespace.entered():
            for device in DEVICES:
                self._tuns[device] = open_tun(device)
                self._held.callback(os.close, self._tuns[device])

    def _connect(self) -> None:
        """Bring the devices up, and lay the routes."""
        self._namespace.run("ip", "-batch", "-", stdin=_link_commands())
        for family in ("-4", "-6"):
            self._namespace.run("ip", family, "-batch", "-", stdin=_route_commands())

    def _listen(self) -> None:
        """Open the connection-tracking table, and the log."""
        with self._namespace.entered():
            self._table = Table()
            self._held.callback(self._table.close)
            self._log = LogReader(LOG_GROUP)
            self._held.callback(self._log.close)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; the kernel then deletes the namespace."""
        self._held.close()

    def _write(self, packet: bytes, device: Device) -> bool:
        """Let a packet arrive at a device; say whether it is one that this takes."""
        try:
            os.write(self._tuns[device], packet)
        except OSError as error:
            if error.errno == errno.EINVAL:  # neither IPv4 nor IPv6
                return False
            raise
        return True

    def _drain(self) -> list[bytes]:
        """Read away the packets that the kernel sent on."""
        forwarded: list[bytes] = []
        for fd in self._tuns.values():
            with suppress(BlockingIOError):
                while True:
                    forwarded.append(os.read(fd, MTU + 1))
        return forwarded


def _link_commands() -> str:
    """The `ip -batch` input that brings the devices up, with their addresses."""
    lines = ["link set lo up"]
    for device in DEVICES:
        lines.append(f"link set {device} mtu {MTU} up")
        lines += [f"address add {address} dev {device}" for address in NETWORKS[device]]
    return "\n".join(lines) + "\n"


def _route_commands() -> str:
    """The `ip -batch` input, for either family: what enters one device leaves the other."""
    lines = []
    for table, (inward, outward) in enumerate((DEVICES, DEVICES[::-1]), start=100):
        lines.append(f"rule add iif {inward} lookup {table}")
        lines.append(f"route add default dev {outward} table {table}")
    return "\n".join(lines) + "\n"
