"""Which source key a GRE packet has that does not carry it: the calls of PPTP (RFC 2637 4.1).

Enhanced GRE carries one call id, its receiver's. Each end chose its own when the call was set up,
so the two directions of a call carry different numbers, and nothing in the packets tells that they
belong together. Who has read the control connection knows both, and maps source address,
destination address and call id to the other end's id: the source key. With it in the flow key the
reverse of one direction is the other.

The map has no zones, as in Linux. The same call may be mapped by several control connections: the
one that did so first counts.
"""

from __future__ import annotations

from typing import Final, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Connection
from statefulinspect.decoding import GRE_VERSION
from statefulinspect.flowkey import GRE
from statefulinspect.helpers.statements import MapKey
from statefulinspect.packet import Packet

ENHANCED_GRE: Final = 1  # the version whose header carries a call id
ENHANCED_HEADER: Final = 8  # octets of it, up to the call id


class GreKeys:
    """Hold the source keys of all calls, found by source, destination and call id."""

    def __init__(self) -> None:
        self._by_call: dict[bytes, dict[Connection, bytes]] = {}  # the oldest owner is the first
        self._by_owner: dict[Connection, tuple[bytes, ...]] = {}

    def __len__(self) -> int:
        """Count the control connections that have mapped keys."""
        return len(self._by_owner)

    def map(self, owner: Connection, keys: Sequence[MapKey]) -> bool:
        """Enter the keys of a control connection's call; say whether they hold now.

        An owner has one call mapped. Another one is refused while that lasts; if the new one
        begins like it, as it does when only the first key's source key is new, that one is
        forgotten besides. So Linux does.
        """
        calls = tuple(map(_call_of, keys))
        held = self._by_owner.setdefault(owner, calls)
        if held is calls:
            for call, key in zip(calls, keys):
                source_key = key.source_key.to_bytes(2, "big")
                self._by_call.setdefault(call, {}).setdefault(owner, source_key)
        elif held != calls and held[0] == calls[0]:
            self.unmap(owner)
        return held == calls

    def unmap(self, owner: Connection) -> None:
        """Forget what a control connection has mapped, if anything."""
        for call in set(self._by_owner.pop(owner, ())):
            owners = self._by_call[call]
            del owners[owner]
            if not owners:
                del self._by_call[call]

    def complete(self, packet: Packet) -> bytes | None:
        """Give a packet's flow key, with the source key in it if its call is mapped."""
        key = packet.key
        if not self._by_call or key is None or not _carries_call_id(packet):
            return key
        owners = self._by_call.get(key[:-4] + key[-2:])
        if owners is None:
            return key
        return key[:-4] + next(iter(owners.values())) + key[-2:]

    def check(self) -> None:
        """Assert every invariant of the structure."""
        assert all(self._by_call.values()), "a call without owner"
        owned = {(owner, call) for owner, calls in self._by_owner.items() for call in calls}
        assert owned == {(owner, call) for call in self._by_call for owner in self._by_call[call]}


def _call_of(key: MapKey) -> bytes:
    return key.source + key.destination + key.call_id.to_bytes(2, "big")


def _carries_call_id(packet: Packet) -> bool:
    """Say whether a packet is enhanced GRE; a call id of 0 alone does not tell."""
    if packet.protocol != GRE or packet.payload_length < ENHANCED_HEADER:
        return False
    return packet.wire[packet.l4 + 1] & GRE_VERSION == ENHANCED_GRE
