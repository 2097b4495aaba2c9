"""A tracker with narrow limits beside one that counts by looking at everything, every time."""

from __future__ import annotations

from dataclasses import dataclass
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from builders import SERVER, SERVER6, tcp, udp
from statefulinspect import Action, Config, Limits, Reason, Tracker, openings

SOURCES = ["10.0.1.2", "10.0.1.3", "fd00:1::2", "fd00:1::3", "fd00:1:0:1::2"]
NETWORK = {"fd00:1::2": "fd00:1::/64", "fd00:1::3": "fd00:1::/64"}
some = st.none() | st.integers(1, 4)
sources = st.sampled_from(SOURCES)
ports = st.integers(1, 4)


@dataclass
class Entry:
    source: str
    port: int
    is_tcp: bool
    is_assured: bool = False
    expires_at: float = 0.0


class LimitsMachine(RuleBasedStateMachine):
    @initialize(
        most=some,
        half_open=some,
        per_source=some,
        rate=st.none() | st.sampled_from([0.5, 1, 2]),
        few=st.sampled_from([0, openings.FEW]),
    )
    def begin(self, most, half_open, per_source, rate, few):
        self.folds = mock.patch.object(openings, "FEW", few)
        self.folds.start()
        self.limits = Limits(
            max_connections=most,
            max_half_open=half_open,
            max_per_source=per_source,
            new_per_second_per_source=rate,
        )
        self.tracker = Tracker(config=Config(limits=self.limits))
        self.entries: list[Entry] = []
        self.openings: list[tuple[str, float]] = []
        self.now = 1000.0

    def send(self, packet):
        self.tracker.expire(self.now)
        self.entries = [each for each in self.entries if each.expires_at > self.now]
        return self.tracker.process(packet, self.now)

    def expected(self, source):
        """Say what becomes of an opener; remove from the model who makes room."""
        limits, entries = self.limits, self.entries
        who = NETWORK.get(source, source)
        same = [each for each in entries if NETWORK.get(each.source, each.source) == who]
        if limits.max_per_source is not None and len(same) >= limits.max_per_source:
            return Reason.SOURCE_FULL
        if limits.new_per_second_per_source is not None and self.tokens(who) < 1:
            return Reason.SOURCE_TOO_FAST
        unassured = [each for each in entries if not each.is_assured]
        is_full = limits.max_connections is not None and len(entries) >= limits.max_connections
        if is_full and not unassured:
            return Reason.TABLE_FULL
        crowd = limits.max_half_open is not None and len(unassured) >= limits.max_half_open
        if crowd or is_full:
            entries.remove(unassured[0])
        self.openings.append((who, self.now))
        return Reason.OK

    def tokens(self, who):
        """Play the bucket from the beginning."""
        rate = self.limits.new_per_second_per_source
        size = max(1, rate)
        left, before = size, 0.0
        for at in [at for source, at in self.openings if source == who]:
            left, before = min(size, left + (at - before) * rate) - 1, at
        return min(size, left + (self.now - before) * rate)

    def open(self, packet, entry):
        verdict = self.send(packet)
        reason = self.expected(entry.source)
        assert verdict.reason is reason
        assert (verdict.action is Action.ACCEPT) == (reason is Reason.OK)
        if reason is Reason.OK:
            entry.expires_at = self.now + (120 if entry.is_tcp else 30)
            self.entries.append(entry)

    def known(self, source, port, *, is_tcp):
        self.entries = [each for each in self.entries if each.expires_at > self.now]
        found = [e for e in self.entries if (e.source, e.port, e.is_tcp) == (source, port, is_tcp)]
        return found[0] if found else None

    @rule(source=sources, port=ports)
    def ask(self, source, port):
        if self.known(source, port, is_tcp=False) is None:
            self.open(
                udp(port, 53, source=source, destination=server(source)),
                Entry(source, port, is_tcp=False),
            )

    @rule(source=sources, port=ports)
    def call(self, source, port):
        if self.known(source, port, is_tcp=True) is None:
            self.open(
                tcp(port, 80, "SYN", 1, source=source, destination=server(source)),
                Entry(source, port, is_tcp=True),
            )

    @rule(source=sources, port=ports)
    def shake_hands(self, source, port):
        entry = self.known(source, port, is_tcp=True)
        if entry is None or entry.is_assured:
            return
        there = {"source": source, "destination": server(source)}
        back = {"source": server(source), "destination": source}
        self.send(tcp(80, port, "SYN,ACK", 9, 2, **back))
        self.send(tcp(port, 80, "ACK", 2, 10, **there))
        entry.is_assured, entry.expires_at = True, self.now + 3600

    @rule(pause=st.sampled_from([0.25, 0.5, 1, 31, 121, 4000]))
    def wait(self, pause):
        self.now += pause

    @rule(which=st.integers(0, 5))
    def delete(self, which):
        live = list(self.tracker)
        if which < len(live):
            gone = live[which]
            self.tracker.delete(gone)
            source, port = str(gone.original.source), gone.original.source_port
            entry = self.known(source, port, is_tcp=gone.protocol == 6)
            self.entries.remove(entry)

    @rule()
    def flush(self):
        self.tracker.flush()
        self.entries.clear()

    @invariant()
    def all_agrees(self):
        if hasattr(self, "tracker"):
            self.tracker.check()
            self.entries = [each for each in self.entries if each.expires_at > self.now]
            self.tracker.expire(self.now)
            assert len(self.tracker) == len(self.entries)

    @rule()
    def look(self):
        """Compare what is there, which unfolds what is unreplied: so not each time."""
        assert sorted(
            (str(c.original.source), c.original.source_port, c.protocol == 6, c.is_assured)
            for c in self.tracker
        ) == sorted(
            (each.source, each.port, each.is_tcp, each.is_assured)
            for each in self.entries
            if each.expires_at > self.now
        )

    def teardown(self):
        """When the table is empty, nothing is counted."""
        if hasattr(self, "tracker"):
            self.folds.stop()
            self.look()
            self.tracker.flush()
            capacity = self.tracker._judge.capacity
            assert len(capacity._unassured) == 0
            assert capacity._sources is None or not capacity._sources._counts
            self.tracker.check()


def server(source):
    return SERVER if "." in source else SERVER6


TestLimitsMachine = LimitsMachine.TestCase
TestLimitsMachine.settings = settings(stateful_step_count=40, deadline=None)
