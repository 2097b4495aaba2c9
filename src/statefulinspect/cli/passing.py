"""How one frame of a capture comes to the tracker: its packet found, filled up, and judged."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from statefulinspect.cli.cut import filled_up, octets_missing
from statefulinspect.cli.frame import SECOND, Frame
from statefulinspect.cli.linklayer import find_payload
from statefulinspect.cli.offload import with_length
from statefulinspect.cli.options import Setup, Way
from statefulinspect.cli.silence import silent_helpers
from statefulinspect.config import Config
from statefulinspect.connection import Verdict
from statefulinspect.rules.engine.trace import Trace
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.tracker import Tracker


class Passenger(NamedTuple):
    """Hold the packet of a frame, or what else the frame carries; `is_cut` by the capture.

    `at` is the time of day, for rules may ask for it: seconds since 1970.
    """

    at: float
    wire: bytes
    other: str = ""
    is_cut: bool = False


@attrs.frozen
class Passage:
    """Let packets pass a tracker on one way."""

    tracker: Tracker
    way: Way
    fills_up_cut: bool

    @classmethod
    def of(cls, rules: Ruleset, setup: Setup, way: Way, *, events: bool = False) -> Passage:
        """Set a tracker up; ConfigError if there is no such helper."""
        config = Config.linux() if setup.is_linux else Config()
        helpers = {**config.helpers, **dict(setup.helpers)}
        if setup.is_forgiving:
            helpers.update(silent_helpers(rules, helpers))
        config = attrs.evolve(config, events=events, helpers=helpers)
        return cls(Tracker(rules, config), way, not config.verify_checksums)

    def find(self, frame: Frame) -> Passenger:
        """Find the packet of a frame; zeros stand in for payload that the capture cut."""
        payload, at = find_payload(frame.link_type, frame.octets), frame.at_ns / SECOND
        if payload.other:
            return Passenger(at, b"", payload.other)
        wire = with_length(frame.octets[payload.at :], frame.original_length - payload.at)
        gone = octets_missing(wire, frame.missing)
        is_filled = bool(gone) and self.fills_up_cut
        return Passenger(at, filled_up(wire, gone) if is_filled else wire, "", bool(gone))

    def judge(self, passenger: Passenger) -> Verdict:
        """Let the tracker judge a packet."""
        way, (at, wire, *_) = self.way, passenger
        return self.tracker.process(wire, at, iif=way.iif, oif=way.oif, hook=way.hook)

    def trace(self, passenger: Passenger) -> Trace:
        """Tell how a packet would go through the rules; changes nothing."""
        way, (at, wire, *_) = self.way, passenger
        return self.tracker.trace(wire, at, iif=way.iif, oif=way.oif, hook=way.hook)
