"""A private, anonymous network namespace with TUN devices.

The namespace has no name: only file descriptors of this process (all of them
close-on-exec) keep it, so it dies with the process, even by SIGKILL.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
OWN_NETNS = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> None:
    """Raise OSError when a libc call reported an error."""
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")


def _die_with() -> None:
    """Have the calling process killed when its parent dies."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")


def _setns(fd: int) -> None:
    """Move the calling thread into the network namespace behind `fd`."""
    _checked(_libc.setns(fd, CLONE_NEWNET), "setns")


class Namespace:
    """An anonymous network namespace, kept alive by one file descriptor."""

    def __init__(self) -> None:
        home = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(CLONE_NEWNET), "unshare")
            try:
                self._fd = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _setns(home)
        finally:
            os.close(home)

    def close(self) -> None:
        """Let go of the namespace."""
        os.close(self._fd)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run a block with the calling thread inside the namespace."""
        home = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._fd)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def run(self, *command: str, stdin: str = "") -> None:
        """Run a command inside the namespace; raise RuntimeError if it fails."""
        with self.entered():
            done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            msg = f"{' '.join(command)}: {done.stderr.strip()}"
            raise RuntimeError(msg)

    def start(self, *command: str, stdout: IO[str]) -> subprocess.Popen[str]:
        """Start a command inside the namespace that ends when this process does."""
        with self.entered():
            return subprocess.Popen(
                command,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                text=True,
                preexec_fn=_die_with,  # noqa: PLW1509 - the harness has one thread
            )

    def read_sysctl(self, name: str) -> str:
        """Read a sysctl (dotted name) of the namespace."""
        with self.entered():
            return _sysctl_path(name).read_text().strip()

    def write_sysctl(self, name: str, value: int | str) -> None:
        """Write a sysctl (dotted name) of the namespace; only net.* is allowed."""
        with self.entered():
            _sysctl_path(name).write_text(f"{value}\n")


def _sysctl_path(name: str) -> Path:
    """The /proc path of a net.* sysctl."""
    parts = name.split(".")
    if parts[0] != "net" or "" in parts or any("/" in part for part in parts):
        msg = f"not a net.* sysctl: {name}"
        raise ValueError(msg)
    return Path("/proc/sys", *parts)


def open_tun(name: str) -> int:
    """Create TUN device `name` in the current namespace; return its non-blocking fd."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd
