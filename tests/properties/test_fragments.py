"""Fragments against a naive model, which keeps every octet in a list and looks at each."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, ip, piece, udp
from statefulinspect import Action, Config, CtState, Direction, Limits, Reason, Tracker

ENDS = {
    4: {"source": CLIENT, "destination": SERVER},
    6: {"source": CLIENT6, "destination": SERVER6},
}
UNITS = 6  # of 8 octets: so few that fragments meet
families = st.sampled_from([4, 6])


def costs(tracker):
    return [table.cost for table in tracker._defragmenter.tables.values()]


@given(
    family=families,
    size=st.integers(0, 200),
    edges=st.sets(st.integers(1, 25)),
    shuffle=st.randoms(use_true_random=False),
    repeats=st.lists(st.integers(0, 30), max_size=4),
)
def test_without_overlap_the_datagram_comes_out_once_and_equal(
    family, size, edges, shuffle, repeats
):
    packet = udp(data=bytes(range(size)), **ENDS[family])
    cuts = sorted({0, 8 + size} | {8 * edge for edge in edges if 8 * edge < 8 + size})
    wires = [piece(packet, *ends) for ends in zip(cuts, cuts[1:])]
    if len(wires) == 1 and family == 4:
        return  # not a fragment
    shuffle.shuffle(wires)
    last = wires[-1]
    for number in repeats:  # before the last one comes, anything may come twice
        if len(wires) > 1:
            wires.insert(len(wires) - 1, wires[number % (len(wires) - 1)])
    tracker = Tracker(config=Config.linux())
    verdicts = [tracker.process(wire, 0) for wire in wires]
    tracker.check()
    held = [verdict for verdict in verdicts if verdict.action is Action.HOLD]
    assert len(held) == len(cuts) - 2
    assert wires[-1] == last
    assert verdicts[-1].ct_state is CtState.NEW
    assert verdicts[-1].connection.count(Direction.ORIGINAL) == (1, len(packet))
    assert sorted((*verdicts[-1].held, last)) == sorted(set(wires))
    assert costs(tracker) == [0, 0]


def noting(classify, judged):
    def note(packet, now):
        judged.append(packet.wire)
        return classify(packet, now)

    return note


@dataclass
class NaiveDatagram:
    """What arrived, octet by octet; each fragment that came in order at the end joins its run."""

    octets: dict = field(default_factory=dict)  # place: (run, octet)
    end: int = 0
    has_last: bool = False
    runs: int = 0
    pieces: int = 0

    def add(self, start, data, *, is_last):
        stop = start + len(data)
        if self.has_last and (stop > self.end or (is_last and stop != self.end)):
            return "FRAGMENT_END"
        if is_last and stop < self.end:
            return "FRAGMENT_END"
        self.has_last, self.end = self.has_last or is_last, max(self.end, stop)
        if not data:
            return "FRAGMENT_EMPTY"
        there = [self.octets.get(place) for place in range(start, stop)]
        if None not in there and len({run for run, _ in there}) == 1:
            return "FRAGMENT_REPEATED"
        if there != [None] * len(there):
            return "FRAGMENT_OVERLAP"
        highest = max(self.octets, default=-2)
        if start == highest + 1:
            run = self.octets[highest][0]
        else:
            self.runs += 1
            run = self.runs
        self.octets.update({start + at: (run, octet) for at, octet in enumerate(data)})
        self.pieces += 1
        return "whole" if self.is_whole else "FRAGMENT_HELD"

    @property
    def is_whole(self):
        return self.has_last and sorted(self.octets) == list(range(self.end))


SPOILS = {4: {"FRAGMENT_END", "FRAGMENT_EMPTY", "FRAGMENT_OVERLAP"}, 6: {"FRAGMENT_OVERLAP"}}
FRAGMENT = st.tuples(
    st.integers(0, UNITS),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 2),
    st.binary(max_size=1),
)


@given(family=families, drawn=st.lists(FRAGMENT, max_size=14))
def test_whatever_comes_is_answered_as_the_model_says(family, drawn):
    """Of protocol 89, in which nothing is checked, so that the whole is always NEW or later."""
    tracker = Tracker(config=Config.linux())
    models, judged = {}, []
    tracker._defragmenter.classify = noting(tracker._judge.classify, judged)
    packet = ip(protocol=89, payload=b"", **ENDS[family])
    for at, units, is_last, ident, filling in drawn:
        data = (filling or b"x") * (8 * units - (3 if is_last and units else 0))
        if family == 6 and at == 0 and not data:
            continue  # goes on as it is
        if family == 4 and at == 0 and is_last:
            continue  # not a fragment
        model = models.setdefault(ident, NaiveDatagram())
        expected = model.add(8 * at, data, is_last=is_last)
        wire = piece(packet, 8 * at, data=data, more=not is_last, id_=ident)
        verdict = tracker.process(wire, 0)
        tracker.check()
        if expected == "whole":
            octets = bytes(octet for _, (_, octet) in sorted(model.octets.items()))
            assert verdict.action is Action.ACCEPT
            assert len(verdict.held) == model.pieces - 1
            assert judged[-1][20 if family == 4 else 40 :] == octets
        else:
            assert verdict.reason.name == expected
        if expected == "whole" or expected in SPOILS[family]:
            del models[ident]
    waiting = sum(map(len, tracker._defragmenter.tables.values()))
    assert waiting == len(models)
    tracker.expire(60)
    assert costs(tracker) == [0, 0]


WITH_PAUSE = st.tuples(families, st.integers(0, 9), st.integers(0, 3), st.floats(0, 9))


@given(limit=st.integers(1, 8000), drawn=st.lists(WITH_PAUSE, max_size=40))
def test_memory_is_bounded_and_given_back(limit, drawn):
    tracker = Tracker(config=Config.linux(limits=Limits(max_fragment_octets=limit)))
    now = 0.0
    for family, ident, place, pause in drawn:
        now += pause
        packet = udp(data=bytes(24), **ENDS[family])
        wire = piece(packet, 8 * place, 8 * place + 8, id_=ident)
        before = tracker._defragmenter.tables[family].cost
        verdict = tracker.process(wire, now)
        tracker.check()
        if verdict.reason is Reason.FRAGMENTS_FULL:
            assert before > limit
        assert max(costs(tracker)) <= limit + 1100  # one fragment more than may be
    tracker.expire(now + 60)
    assert costs(tracker) == [0, 0]
    assert all(len(table) == 0 for table in tracker._defragmenter.tables.values())
