"""How a capture is replayed: frame by frame through a tracker, then what is left."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from statefulinspect.cli.cut import filled_up, octets_missing
from statefulinspect.cli.frame import CaptureError, Frame
from statefulinspect.cli.linklayer import find_payload
from statefulinspect.cli.report import Entry, Report, Summary
from statefulinspect.cli.totals import Totals
from statefulinspect.decoding import decode
from statefulinspect.tracker import Tracker


@attrs.define
class Replay:
    """Judge the frames of one capture and report on them; for one run."""

    tracker: Tracker
    report: Report
    shows_packets: bool
    fills_up_cut: bool
    _totals: Totals = attrs.field(factory=Totals, init=False)

    def run(self, frames: Iterable[Frame]) -> None:
        """Judge frame after frame, then report what is left.

        A capture that breaks off is answered as far as it goes; then the CaptureError goes on.
        """
        try:
            for frame in frames:
                self._take(frame)
        except CaptureError as error:
            if self._totals.records:
                self._sum_up(str(error))
            raise
        self._sum_up()

    def _take(self, frame: Frame) -> None:
        payload = find_payload(frame.link_type, frame.octets)
        seconds = self._totals.begin_record(frame.at_ns)
        if not payload.other:
            self._judge(frame.octets[payload.at :], frame.missing, seconds)
            return
        self._totals.not_ip += 1
        if self.shows_packets:
            self.report.not_ip(self._totals.records, seconds, payload.other)

    def _judge(self, wire: bytes, missing: float, seconds: float) -> None:
        gone = octets_missing(wire, missing)
        if gone:
            self._totals.cut += 1
            wire = filled_up(wire, gone) if self.fills_up_cut else wire
        verdict = self.tracker.process(wire, seconds)
        self._totals.add(verdict)
        if self.shows_packets:
            number = self._totals.records
            self.report.packet(Entry(number, seconds, decode(wire), verdict, bool(gone)))
        self._tell_events()

    def _tell_events(self) -> None:
        for event in self.tracker.events():
            self.report.event(event)

    def _sum_up(self, complaint: str = "") -> None:
        """Report the connections left at the time of the latest packet, and the totals."""
        self.tracker.expire(self._totals.duration)
        self._tell_events()
        self.report.summary(Summary(list(self.tracker), self._totals, complaint))
