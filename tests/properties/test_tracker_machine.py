"""The tracker against the naive one, in a universe small enough for flows to meet."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from builders import icmp, ip, udp
from model import NaiveTracker
from statefulinspect import Action, Config, CtState, Direction, DosPolicy, Ruleset, Tracker

HOSTS = ["10.0.0.1", "10.0.0.2", "10.9.9.9"]
hosts = st.sampled_from(HOSTS)
ports = st.sampled_from([1, 2, 3])
ANSWERS = {
    (CtState.NEW, Direction.ORIGINAL): "new",
    (CtState.ESTABLISHED, Direction.ORIGINAL): "original",
    (CtState.ESTABLISHED, Direction.REPLY): "reply",
}


class TrackerMachine(RuleBasedStateMachine):
    @initialize(outbound=st.booleans())
    def begin(self, outbound):
        inside = "10.0.0.0/30"
        rules = Ruleset.outbound(inside=[inside]) if outbound else None
        self.tracker = Tracker(rules, Config(dos=DosPolicy(land=False)))  # hosts meet themselves
        self.model = NaiveTracker(lambda flow: not outbound or flow[1].startswith("10.0.0."))
        self.now = 0.0

    def send(self, packet, flow):
        verdict = self.tracker.process(packet, self.now)
        expected = self.model.process(flow, self.now)
        if verdict.action is not Action.ACCEPT:
            assert expected == "refused"
            assert verdict.connection is None
            return
        assert ANSWERS[verdict.ct_state, verdict.direction] == expected
        assert verdict.connection is self.tracker.find(packet)

    @rule(source=hosts, sport=ports, destination=hosts, dport=ports)
    def datagram(self, source, sport, destination, dport):
        packet = udp(sport, dport, source=source, destination=destination)
        self.send(packet, ("udp", source, sport, destination, dport))

    @rule(source=hosts, destination=hosts, id_=ports)
    def echo_request(self, source, destination, id_):
        packet = icmp(8, id_=id_, source=source, destination=destination)
        self.send(packet, ("ping", source, id_, destination, "asked"))

    @rule(source=hosts, destination=hosts, id_=ports)
    def echo_reply(self, source, destination, id_):
        packet = icmp(0, id_=id_, source=source, destination=destination)
        flow = ("ping", source, "asked", destination, id_)
        self.model.advance(self.now)
        if ("ping", destination, id_, source, "asked") in [e.flow for e in self.model.entries]:
            self.send(packet, flow)
        else:
            assert self.tracker.process(packet, self.now).ct_state is CtState.INVALID

    @rule(source=hosts, destination=hosts)
    def by_number(self, source, destination):
        self.send(ip(source, destination, 89, b"ospf"), (89, source, 0, destination, 0))

    @rule(pause=st.sampled_from([0.0, 0.5, 1.9, 2.1, 29.9, 30, 41, 599, 1e6]))
    def wait(self, pause):
        self.now += pause

    @rule(back=st.sampled_from([0.1, 100.0]))
    def step_back(self, back):
        """An earlier `now` than the last counts as the last."""
        packet = udp(1, 2, source=HOSTS[0], destination=HOSTS[1])
        earlier = self.now - back
        latest, self.now = self.now, earlier
        self.send(packet, ("udp", HOSTS[0], 1, HOSTS[1], 2))
        self.now = latest

    @rule()
    def expire(self):
        self.tracker.expire(self.now)
        self.model.advance(self.now)
        assert len(list(self.tracker._table)) == len(self.model.entries)

    @rule(which=st.integers(0, 5))
    def delete(self, which):
        self.model.advance(self.tracker._now)
        if which < len(self.model.entries):
            protocol, source, sport, destination, dport = self.model.entries.pop(which).flow
            packet = {
                "udp": lambda: udp(sport, dport, source=source, destination=destination),
                "ping": lambda: icmp(8, id_=sport, source=source, destination=destination),
                89: lambda: ip(source, destination, 89, b"ospf"),
            }[protocol]()
            self.tracker.delete(self.tracker.find(packet))

    @rule()
    def flush(self):
        self.tracker.flush()
        self.model.entries.clear()

    @invariant()
    def the_same_is_left(self):
        if not hasattr(self, "tracker"):
            return
        self.tracker.check()
        self.model.advance(self.tracker._now)
        assert len(self.tracker) == len(self.model.entries) == len(list(self.tracker))
        theirs = sorted(
            (e.expires_at, e.seen_reply, e.is_assured, *e.packets) for e in self.model.entries
        )
        ours = sorted(
            (
                c.expires_at,
                c.seen_reply,
                c.is_assured,
                c.original_side.packets,
                c.reply_side.packets,
            )
            for c in self.tracker
        )
        assert ours == theirs
        earliest = self.tracker.next_expiry_at
        held = [each.expires_at for each in self.tracker._table]
        assert earliest == min(held, default=None)


TestTrackerMachine = TrackerMachine.TestCase
TestTrackerMachine.settings = settings(stateful_step_count=40, deadline=None)
