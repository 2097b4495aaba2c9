"""Read the packets that an nft `log group` rule reports (NFLOG)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from kernel.netlink import NetfilterSocket, attr, attrs, messages

NFULNL_MSG_CONFIG = 4 << 8 | 1
NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_NLBUFSIZ, NFULA_CFG_QTHRESH = 1, 2, 3, 5
NFULNL_CFG_CMD_BIND = 1
NFULNL_COPY_PACKET = 2
NFULA_PAYLOAD, NFULA_PREFIX = 9, 10

COPY_BYTES = 512  # enough for all headers, those quoted in an ICMP error included
MESSAGE_SIZE = 4096


class Logged(NamedTuple):
    """One logged packet: the rule's prefix and the packet's first bytes."""

    prefix: str
    packet: bytes


class LogReader:
    """The reader of one NFLOG group; each packet is reported at once."""

    def __init__(self, group: int) -> None:
        self._netlink = NetfilterSocket()
        self._configure(group, attr(NFULA_CFG_CMD, struct.pack("B", NFULNL_CFG_CMD_BIND)))
        mode = struct.pack(">IBx", COPY_BYTES, NFULNL_COPY_PACKET)
        self._configure(group, attr(NFULA_CFG_MODE, mode))
        self._configure(group, attr(NFULA_CFG_NLBUFSIZ, struct.pack(">I", MESSAGE_SIZE)))
        self._configure(group, attr(NFULA_CFG_QTHRESH, struct.pack(">I", 1)))

    def _configure(self, group: int, body: bytes) -> None:
        self._netlink.command(NFULNL_MSG_CONFIG, body, res_id=group)

    def close(self) -> None:
        """Close the reader's socket, which unbinds the group."""
        self._netlink.close()

    def poll(self) -> bytes | None:
        """Return the message of one packet if it is already here, else None."""
        return self._netlink.poll(MESSAGE_SIZE)


def decode(message: bytes) -> Logged:
    """Decode what `LogReader.poll` returned."""
    found = attrs(next(messages(message)).attributes)
    prefix = found.get(NFULA_PREFIX, b"").rstrip(b"\0").decode()
    return Logged(prefix, found.get(NFULA_PAYLOAD, b""))
