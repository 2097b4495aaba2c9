"""The table of connections against a dict from words to connection and side."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statefulinspect.conntable import ConnTable
from statefulinspect.linking import connect
from statefulinspect.zones import NO_ZONE, Zone

HOSTS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
PORTS = [1, 2, 3]
ENDS = list(product(HOSTS, PORTS))
# (zone, protocol, one end, other end); most conversations hit both directions of the same ends.
ZONES = [NO_ZONE, Zone.of(5)]
FLOWS = list(product(ZONES, [6, 17], ENDS, ENDS))
flows = st.sampled_from(FLOWS)
loops = st.sampled_from([flow for flow in FLOWS if flow[2] == flow[3]])


def back(flow):
    zone, protocol, here, there = flow
    return zone, protocol, there, here


def wire(flow):
    (source, sport), (destination, dport) = flow[2:]
    addresses = ip_address(source).packed + ip_address(destination).packed
    return addresses + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")


WIRES = {flow: wire(flow) for flow in FLOWS}


class TableMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.table = ConnTable()
        self.sides = {}  # flow -> side
        self.flows = {}  # connection -> flow, in order of entry
        self.dicts = {}

    @rule(flow=flows | loops)
    def enter(self, flow):
        if flow in self.sides or back(flow) in self.sides:
            return
        zone, protocol = flow[:2]
        connection = connect(protocol, WIRES[flow], WIRES[back(flow)], None, 0.0, zone)
        self.table.enter(connection)
        self.sides[flow] = connection.original_side
        self.sides[back(flow)] = connection.reply_side  # of a loop, this is the one found
        self.flows[connection] = flow

    @precondition(lambda self: self.flows)
    @rule(number=st.integers(0, 30))
    def remove(self, number):
        connection = list(self.flows)[number % len(self.flows)]
        flow = self.flows.pop(connection)
        for each in {flow, back(flow)}:
            del self.sides[each]
        self.table.remove(connection)
        assert not hasattr(connection.original_side, "connection")
        assert not hasattr(connection.reply_side, "other")

    @rule(zone=st.sampled_from(ZONES), protocol=st.sampled_from([6, 17]))
    def the_dict_stays_the_same(self, zone, protocol):
        sides = self.table.sides(zone.original, protocol)
        assert self.dicts.setdefault((zone, protocol), sides) is sides

    @invariant()
    def every_key_leads_to_its_side(self):
        for flow, key in WIRES.items():
            assert self.table.find(*flow[:2], key) is self.sides.get(flow)

    @invariant()
    def the_same_is_left(self):
        self.table.check()
        assert len(self.table) == len(self.flows)
        found = list(self.table)
        assert len(found) == len(self.flows)
        assert set(found) == set(self.flows)

    @invariant()
    def each_table_is_in_order_of_entry(self):
        for place in product(ZONES, [6, 17]):
            here = [c for c in self.table if (c.zones, c.protocol) == place]
            assert here == [c for c, flow in self.flows.items() if flow[:2] == place]


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(stateful_step_count=40, deadline=None)
