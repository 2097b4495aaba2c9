"""What is kept of connections, and how one goes: from table, wheel, line, and who hangs on it."""

from __future__ import annotations

from typing import Final

from statefulinspect.assistance import Assistant
from statefulinspect.capacity import Capacity
from statefulinspect.config import Config
from statefulinspect.connection import Connection, Side
from statefulinspect.events import EXPIRED, Cause
from statefulinspect.flowkey import FlowKey
from statefulinspect.folded import Folded
from statefulinspect.journal import Journal
from statefulinspect.lookup import SideLookup
from statefulinspect.machines.tcp_prediction import take_back
from statefulinspect.packet import Packet
from statefulinspect.wheel import NOT_FILED, Wheel
from statefulinspect.zones import Zone

SWEEP_AT_MOST: Final = 64  # entries that one packet's sweep looks at: bounded work


class Keeper:
    """Hold connections where they are found by key, by deadline and by age."""

    def __init__(self, config: Config) -> None:
        self.lookup = SideLookup()
        self.table = self.lookup.table
        self.wheel: Wheel[Connection | Folded] = Wheel()
        self.assistant = Assistant(config, self.lookup.keys, self._sever)
        self.expectations = self.assistant.expectations
        self.journal = Journal() if config.events else None
        self.capacity = Capacity(config.limits, self.table, self.remove, self.sweep)

    def _find_live(self, zone: Zone, protocol: int, key: bytes, now: float) -> Side | None:
        """Find the side that a key leads to; remove what is past its deadline on the way."""
        side = self.table.find(zone, protocol, key)
        while side is not None and side.connection.expires_at <= now:
            self.remove(side.connection, EXPIRED, now)
            side = self.table.find(zone, protocol, key)
        return side

    def _use_up(self, packet: Packet, now: float) -> None:
        """Use up what was expected of a malformed packet's flow: Linux finds out too late."""
        flow = packet.flow
        if flow is not None and self.lookup.live_side(packet.zone, flow, now) is None:
            self.expectations.take(packet.zone, flow, now)

    def remove(self, connection: Connection | Folded, cause: Cause, now: float) -> None:
        """Take a connection, or what is kept of it, out of the table and the wheel."""
        if isinstance(connection, Folded):
            if connection.older is not None:  # it is tracked, and nothing hangs on it
                if connection.filed_at != NOT_FILED:
                    self.wheel.cancel(connection)
                self.capacity.leave(connection)
                self.table.remove_folded(connection)
                return
            connection = connection.connection  # it was unfolded since
        if connection.is_assured:
            take_back(connection)  # whoever keeps it finds all written down
        if connection.filed_at != NOT_FILED:
            self.wheel.cancel(connection)
        if self.journal is not None:
            self.journal.gone(connection, cause, now)
        if connection.rare is not None or self.expectations.count:  # else nothing hangs on it
            self.assistant.leave(connection, now)
        self.capacity.leave(connection)
        self.table.remove(connection)

    def _sever(self, zone: Zone, flow: FlowKey, now: float) -> bool:
        """Remove a connection that another one's helper ends; say whether there is one."""
        side = self.lookup.live_side(zone, flow, now)
        if side is not None and side.connection.helper is None:
            self.remove(side.connection, Cause.DELETED, now)
        return side is not None

    def sweep(self, now: float) -> None:
        """Remove some of what has expired; look-ups treat the rest as gone already."""
        for connection in self.wheel.due(now, SWEEP_AT_MOST):
            self.remove(connection, EXPIRED, now)
