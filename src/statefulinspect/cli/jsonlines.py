"""How a replay is written for programs: one JSON object a line, always with the same keys.

`type` tells the objects apart: `packet`, `trace`, `not_ip`, `event`, `connection`, and one `totals`
at the end. What does not apply is null. Times are seconds since the first record, but for
`started_at`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from statefulinspect.cli.describe import describe
from statefulinspect.cli.frame import SECOND
from statefulinspect.cli.places import place_of, text_of
from statefulinspect.cli.report import JudgedPacket, Summary
from statefulinspect.connection import Connection
from statefulinspect.events import Event, FragmentEvent
from statefulinspect.flowkey import Address, show_address
from statefulinspect.rules.engine.trace import Trace
from statefulinspect.terms import ORIGINAL, REPLY, Action, CtState, Direction


class JsonReport:
    """Print to standard output for programs."""

    def packet(self, entry: JudgedPacket) -> None:
        """Print one judged packet."""
        packet, verdict = entry.packet, entry.verdict
        self._line(
            {
                "type": "packet",
                "number": entry.number,
                "time": entry.seconds,
                "family": packet.family or None,
                "protocol": packet.protocol if packet.family else None,
                "source": _address(packet.source),
                "destination": _address(packet.destination),
                "source_port": packet.source_port,
                "destination_port": packet.destination_port,
                "icmp_type": packet.icmp_type,
                "icmp_code": packet.icmp_code,
                "length": packet.length,
                "is_cut": entry.is_cut,
                "summary": describe(packet),
                "ct_state": verdict.ct_state.value,
                "direction": verdict.direction.value if verdict.direction else None,
                "action": verdict.action.value,
                "reason": verdict.reason.name,
                "held": len(verdict.held),
                "rule": None if verdict.rule is None else text_of(verdict.rule),
                "place": place_of(None if verdict.rule is None else verdict.rule.place),
            }
        )

    def trace(self, number: int, trace: Trace) -> None:
        """Print how a packet went through the rules."""
        self._line({"type": "trace", "number": number, "steps": str(trace).splitlines()})

    def not_ip(self, number: int, seconds: float, what: str) -> None:
        """Print one record that the tracker did not see."""
        self._line({"type": "not_ip", "number": number, "time": seconds, "summary": what})

    def event(self, seconds: float, event: Event | FragmentEvent) -> None:
        """Print what happened to a connection, or to fragments."""
        self._line(
            {
                "type": "event",
                "time": seconds,
                "event": event.kind.value,
                "causes": [cause.name for cause in event.causes],
                "conntrack": str(event),
            }
        )

    def summary(self, summary: Summary) -> None:
        """Print the connections left, and the totals."""
        totals = summary.totals
        for connection in summary.connections:
            self._line(_connection(connection, totals.ended_at))
        first_ns = totals.first_ns
        self._line(
            {
                "type": "totals",
                "packets": totals.packets,
                "not_ip": totals.not_ip,
                "cut": totals.cut,
                "ct_states": {state.value: totals.ct_states[state] for state in CtState},
                "actions": {action.value: totals.actions[action] for action in Action},
                "reasons": totals.reasons_seen,
                "connections_seen": totals.connections_seen,
                "connections_left": len(summary.connections),
                "started_at": None if first_ns is None else first_ns / SECOND,
                "duration": totals.duration,
                "error": summary.complaint or None,
            }
        )

    @staticmethod
    def _line(fields: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")


def _connection(connection: Connection, now: float) -> dict[str, Any]:
    return {
        "type": "connection",
        "protocol": connection.protocol,
        "state": connection.state_name or None,
        "seconds_left": connection.seconds_left(now),
        "seen_reply": connection.seen_reply,
        "is_assured": connection.is_assured,
        "mark": connection.mark,
        "zone": connection.zone,
        "original": _direction(connection, ORIGINAL),
        "reply": _direction(connection, REPLY),
        "conntrack": connection.to_conntrack(now),
    }


def _direction(connection: Connection, direction: Direction) -> dict[str, Any]:
    flow = connection.original if direction is ORIGINAL else connection.reply
    packets, octets = connection.count(direction)
    return {
        "source": _address(flow.source),
        "destination": _address(flow.destination),
        "source_port": flow.source_port,
        "destination_port": flow.destination_port,
        "icmp_type": flow.icmp_type,
        "icmp_code": flow.icmp_code,
        "icmp_id": flow.icmp_id,
        "packets": packets,
        "octets": octets,
    }


def _address(address: Address | None) -> str | None:
    return None if address is None else show_address(address)
