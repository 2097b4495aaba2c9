"""How a capture is replayed: frame by frame through a tracker, then what is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from statefulinspect.cli.frame import CaptureError, Frame
from statefulinspect.cli.passing import Passage, Passenger
from statefulinspect.cli.report import JudgedPacket, Report, Summary
from statefulinspect.cli.totals import Totals
from statefulinspect.decoding import decode


@attrs.define
class Replay:
    """Judge the frames of one capture and report on them; for one run."""

    passage: Passage
    report: Report
    shows_packets: bool
    traced: frozenset[int] = frozenset()
    _totals: Totals = attrs.field(factory=Totals, init=False)
    _traced_in_vain: dict[int, str] = attrs.field(factory=dict, init=False)  # what they are instead

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

    def untraced(self) -> Iterator[str]:
        """Say why a number to trace shows no packet."""
        records = self._totals.records
        for number in sorted(self.traced):
            if number > records:
                yield f"--trace {number}: the capture ends with packet {records}"
            elif number in self._traced_in_vain:
                yield f"--trace {number}: it is not IP, but {self._traced_in_vain[number]}"

    def _take(self, frame: Frame) -> None:
        passenger = self.passage.find(frame)
        seconds = self._totals.begin_record(frame.at_ns)
        if not passenger.other:
            self._judge(passenger, seconds)
            return
        number = self._totals.records
        self._totals.not_ip += 1
        if number in self.traced:
            self._traced_in_vain[number] = passenger.other
        if self.shows_packets:
            self.report.not_ip(number, seconds, passenger.other)

    def _judge(self, passenger: Passenger, seconds: float) -> None:
        number = self._totals.records
        self._totals.cut += passenger.is_cut
        is_traced = number in self.traced
        trace = self.passage.trace(passenger) if is_traced else None
        verdict = self.passage.judge(passenger)
        self._totals.add(verdict)
        if self.shows_packets or is_traced:
            packet = decode(passenger.wire)
            self.report.packet(JudgedPacket(number, seconds, packet, verdict, passenger.is_cut))
        if trace is not None:
            self.report.trace(number, trace)
        self._tell_events()

    def _tell_events(self) -> None:
        for event in self.passage.tracker.events():
            self.report.event(self._totals.since_start(event.at), event)

    def _sum_up(self, complaint: str = "") -> None:
        """Report the connections left at the time of the latest packet, and the totals."""
        tracker = self.passage.tracker
        tracker.expire(self._totals.ended_at)
        self._tell_events()
        self.report.summary(Summary(list(tracker), self._totals, complaint))
