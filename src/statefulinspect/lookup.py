"""Which side of which connection a packet leads to, or the packet that an ICMP error quotes."""

from __future__ import annotations

from statefulinspect.connection import Side
from statefulinspect.conntable import ConnTable
from statefulinspect.flowkey import FlowKey
from statefulinspect.helpers.gre_keys import GreKeys
from statefulinspect.machines.icmp import quoted_flow
from statefulinspect.packet import Packet
from statefulinspect.terms import Reason
from statefulinspect.zones import Zone


class SideLookup:
    """Hold the table, and the source keys of GRE packets that do not carry them."""

    def __init__(self) -> None:
        self.table = ConnTable()
        self.keys = GreKeys()

    def live_side(self, zone: Zone, flow: FlowKey, now: float) -> Side | None:
        """Find a side whose connection is not past its deadline; changes nothing."""
        return self.table.find(zone, *flow, now)

    def quoted_side(self, packet: Packet, now: float) -> tuple[Side | None, Reason]:
        """Find the side that would answer the packet quoted in an ICMP error."""
        flow = quoted_flow(packet, self.keys.complete)
        if flow is None:
            return None, Reason.QUOTE_MALFORMED
        side = self.live_side(packet.zone, flow, now)
        if side is None:
            return None, Reason.QUOTE_UNKNOWN
        if flow.destination != packet.destination:
            return None, Reason.QUOTE_MISDIRECTED
        return side, Reason.ERROR_ABOUT_CONNECTION
