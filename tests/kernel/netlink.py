"""The little of netlink (RFC 3549 and the uapi headers) that the harness needs."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Container, Iterator
from typing import NamedTuple

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF
SO_RCVBUFFORCE = 33
REPLY_SIZE = 8192  # for one object
DUMP_SIZE = 65536

_HEADER = struct.Struct("=IHHII")
_NFGEN = struct.Struct(">BBH")
_NLA = struct.Struct("=HH")
_BODY = _HEADER.size + _NFGEN.size


class Message(NamedTuple):
    """One nfnetlink message: type (subsystem << 8 | message) and attribute bytes."""

    type: int
    attributes: bytes


def attr(kind: int, payload: bytes) -> bytes:
    """Encode one attribute."""
    return _NLA.pack(_NLA.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind: int, *children: bytes) -> bytes:
    """Encode an attribute that holds other attributes."""
    return attr(kind | NLA_F_NESTED, b"".join(children))


def attrs(data: bytes) -> dict[int, bytes]:
    """Decode a run of attributes to {type: payload}."""
    found: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at + _NLA.size <= end:
        size, kind = _NLA.unpack_from(data, at)
        if size < _NLA.size:
            break
        found[kind & NLA_TYPE_MASK] = data[at + _NLA.size : at + size]
        at += (size + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[Message]:
    """Decode a datagram; NLMSG_DONE is yielded, a netlink error is raised as OSError."""
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, _flags, _seq, _pid = _HEADER.unpack_from(data, at)
        if kind == NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", data, at + _HEADER.size)
            if code:
                raise OSError(-code, os.strerror(-code))
        yield Message(kind, data[at + _BODY : at + size])
        at += (size + 3) & ~3


class NetfilterSocket:
    """A netlink socket to netfilter in the namespace it is created in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._socket.bind((0, 0))
        self._seq = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, kind: int, flags: int, family: int, res_id: int, body: bytes) -> None:
        self._seq += 1
        header = _HEADER.pack(_BODY + len(body), kind, NLM_F_REQUEST | flags, self._seq, 0)
        self._socket.send(header + _NFGEN.pack(family, 0, res_id) + body)

    def command(self, kind: int, body: bytes, family: int = 0, res_id: int = 0) -> None:
        """Send a request and wait for its acknowledgement; OSError when refused."""
        self._send(kind, NLM_F_ACK, family, res_id, body)
        for _message in messages(self._socket.recv(REPLY_SIZE)):
            pass

    def get(self, kind: int, body: bytes, family: int, absent: Container[int]) -> bytes | None:
        """Send a request for one object; return its attributes.

        None when the kernel refuses with an errno in `absent`.
        """
        self._send(kind, 0, family, 0, body)
        try:
            return next(messages(self._socket.recv(REPLY_SIZE))).attributes
        except OSError as error:
            if error.errno in absent:
                return None
            raise

    def dump(self, kind: int, family: int = 0) -> list[bytes]:
        """Request all objects; return the attributes of each."""
        self._send(kind, NLM_F_DUMP, family, 0, b"")
        found: list[bytes] = []
        while True:
            for message in messages(self._socket.recv(DUMP_SIZE)):
                if message.type == NLMSG_DONE:
                    return found
                found.append(message.attributes)

    def poll(self, size: int) -> bytes | None:
        """Return a datagram that is already here, else None; never blocks."""
        try:
            return self._socket.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
