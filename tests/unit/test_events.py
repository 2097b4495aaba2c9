"""Events: what is written down, when, and in whose words."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, icmp_error, piece, tcp, udp
from statefulinspect import (
    Action,
    Cause,
    Config,
    EventKind,
    Rule,
    Ruleset,
    Timeouts,
    Tracker,
    journal,
)

BACK = {"source": SERVER, "destination": CLIENT}
QUESTION, ANSWER = udp(), udp(53, 1000, **BACK)
SYN = tcp(flags="SYN", seq=0)
SYN_ACK = tcp(80, 1000, "SYN,ACK", 0, 1, **BACK)
ACK = tcp(flags="ACK", seq=1, ack=1)


def told(tracker: Tracker) -> list[tuple[str, tuple[str, ...]]]:
    return [(e.kind.name, tuple(cause.name for cause in e.causes)) for e in tracker.events()]


def listening(rules: Ruleset | None = None, **changes) -> Tracker:
    return Tracker(rules, Config.linux(events=True, **changes))


def test_a_handshake():
    tracker = listening()
    for at, packet in enumerate([SYN, SYN_ACK, ACK]):
        tracker.process(packet, at)
    assert told(tracker) == [
        ("NEW", ("OPENED",)),
        ("UPDATE", ("REPLIED", "STATE")),
        ("UPDATE", ("ASSURED", "STATE")),
    ]


def test_ends_that_begin_anew_reach_the_same_state_again():
    tracker = listening()
    again, answer = tcp(flags="SYN", seq=5000), tcp(80, 1000, "SYN,ACK", 0, 5001, **BACK)
    for packet in (SYN, SYN_ACK, again, answer, answer):
        tracker.process(packet, 0)
    assert told(tracker)[1:] == [("UPDATE", ("REPLIED", "STATE")), ("UPDATE", ("STATE",))]


def test_events_are_taken_once():
    tracker = listening()
    tracker.process(QUESTION, 0)
    assert len(tracker.events()) == 1
    assert tracker.events() == []


def test_nothing_is_written_down_unless_asked_for():
    tracker = Tracker(config=Config.linux())
    tracker.process(QUESTION, 0)
    assert tracker.events() == []
    assert tracker.lost_events == 0


def test_the_lines_of_conntrack():
    tracker = listening(accounting=True)
    tracker.process(QUESTION, 0)
    tracker.process(ANSWER, 1)
    tracker.find(QUESTION).mark = 7
    tracker.flush()
    ends = "src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53"
    back = "src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000"
    counts = "packets=1 bytes=28"
    assert [str(event) for event in tracker.events()] == [
        f"    [NEW] udp      17 30 {ends} [UNREPLIED] {back}",
        f" [UPDATE] udp      17 30 {ends} {back}",
        f"[DESTROY] udp      17 30 {ends} {counts} {back} {counts} mark=7",
    ]


def test_the_last_line_names_no_helper():
    tracker = listening(helpers={80: "ftp"})
    for packet in (SYN, SYN_ACK):
        tracker.process(packet, 0)
    tracker.flush()
    *before, last = tracker.events()
    assert [str(event).partition("helper=")[2] for event in before] == ["ftp", "ftp"]
    assert "helper=" not in str(last)
    assert last.listing.helper == "ftp"


def test_an_update_names_the_state_only_if_it_is_new():
    tracker = listening()
    tracker.process(ACK, 0)
    tracker.process(tcp(80, 1000, "ACK", 1, 1, **BACK), 1)
    lines = [str(event) for event in tracker.events()]
    assert " ESTABLISHED " in lines[0]
    assert " ESTABLISHED " not in lines[1]


def test_an_update_tells_of_a_mark_that_is_gone():
    rules = """table ip t { chain c { type filter hook forward priority 0
        udp sport 53 ct mark set 0
    } }"""
    tracker = listening(Ruleset.parse(rules))
    tracker.process(QUESTION, 0)
    tracker.find(QUESTION).mark = 7
    tracker.process(ANSWER, 1)
    tracker.flush()
    assert ["mark=0" in str(event) for event in tracker.events()] == [False, True, False]


@pytest.mark.parametrize("notice", ["expire", "sweep", "look-up"])
def test_what_expires_is_told_with_its_deadline(notice):
    tracker = listening()
    tracker.process(QUESTION, 0.25)
    tracker.events()
    if notice == "expire":
        tracker.expire(31.5)
    else:
        tracker.process(
            QUESTION if notice == "look-up" else SYN, 30.5 if notice == "look-up" else 40
        )
    gone = tracker.events()[0]
    assert (gone.kind, gone.causes, gone.at) == (EventKind.DESTROY, (Cause.EXPIRED,), 30.25)
    assert gone.listing.seconds_left is None
    assert str(gone).startswith("[DESTROY] udp      17 src=")


def test_a_reset_of_an_unanswered_opening():
    tracker = listening()
    tracker.process(SYN, 0)
    tracker.process(tcp(80, 1000, "RST,ACK", 0, 1, **BACK), 1)
    assert told(tracker) == [("NEW", ("OPENED",)), ("DESTROY", ("RESET",))]


def test_a_reset_that_ends_its_connection_is_counted_before():
    tracker = listening(accounting=True)
    tracker.process(SYN, 0)
    tracker.process(tcp(80, 1000, "RST,ACK", 0, 1, **BACK), 1)
    assert str(tracker.events()[-1]).count("packets=1 bytes=40") == 2


@pytest.mark.parametrize("fate", ["accept", "drop"])
def test_what_rules_set_on_the_reset_that_ends_a_connection_comes_too_late(fate):
    rules = f"""table ip t {{ chain c {{ type filter hook forward priority 0
        tcp flags rst ct mark set 9 ct event set new
        ct mark 9 counter {fate}
    }} }}"""
    tracker = listening(Ruleset.parse(rules))
    tracker.process(SYN, 0)
    tracker.process(tcp(flags="RST", seq=1), 1)
    _, gone = tracker.events()
    assert (gone.causes, gone.listing.mark) == ((Cause.RESET,), 0)
    assert "counter packets 1" in str(tracker.ruleset)


def test_ports_used_again():
    tracker = listening()
    for packet in (SYN, SYN_ACK, ACK, tcp(flags="RST", seq=1)):
        tracker.process(packet, 0)
    tracker.events()
    tracker.process(SYN, 1)
    assert told(tracker) == [("DESTROY", ("REOPENED",)), ("NEW", ("OPENED",))]


def test_delete_and_flush():
    tracker = listening()
    tracker.process(QUESTION, 0)
    tracker.process(SYN, 0)
    tracker.events()
    tracker.delete(tracker.find(QUESTION))
    tracker.flush()
    assert told(tracker) == [("DESTROY", ("DELETED",))] * 2


def test_what_has_expired_unnoticed_is_not_told_as_deleted():
    tracker = listening()
    tracker.process(QUESTION, 0)
    tracker.process(SYN, 30)
    tracker.events()
    tracker.flush()
    causes = {event.listing.original.protocol: event.causes for event in tracker.events()}
    assert causes == {17: (Cause.EXPIRED,), 6: (Cause.DELETED,)}


def test_what_a_dropped_packet_changed_is_told_with_the_next_that_passes():
    rules = Ruleset([Rule(Action.DROP, source=SERVER)], policy=Action.ACCEPT)
    tracker = listening(rules)
    tracker.process(QUESTION, 0)
    tracker.events()
    tracker.process(ANSWER, 1)
    assert told(tracker) == []
    tracker.process(ANSWER, 1.5)
    tracker.process(QUESTION, 3)
    assert told(tracker) == [("UPDATE", ("REPLIED", "ASSURED"))]


def test_what_is_untold_does_not_go_with_a_segment_that_does_not_fit():
    """It passes as one of no connection."""
    rules = Ruleset.parse("""table ip t { chain c { type filter hook forward priority 0
        tcp sport 80 ct state established drop
    } }""")
    tracker = listening(rules)
    for packet in (SYN, SYN_ACK):
        tracker.process(packet, 0)
    assert told(tracker) == [("NEW", ("OPENED",))]
    verdict = tracker.process(tcp(flags="ACK", seq=1 << 30, ack=1), 1)
    assert (verdict.action, verdict.connection, told(tracker)) == (Action.ACCEPT, None, [])
    tracker.process(ACK, 2)
    assert told(tracker) == [("UPDATE", ("REPLIED", "STATE", "ASSURED"))]


def test_an_error_that_passes_tells_what_is_untold_of_its_connection():
    rules = Ruleset.parse("""table ip t { chain c { type filter hook forward priority 0
        udp sport 53 drop
    } }""")
    tracker = listening(rules)
    tracker.process(QUESTION, 0)
    tracker.process(ANSWER, 1)
    tracker.process(icmp_error(QUESTION), 2)
    assert told(tracker) == [("NEW", ("OPENED",)), ("UPDATE", ("REPLIED",))]


@pytest.mark.parametrize(("setting", "cause"), [("mark set 9", "MARK"), ("label set 5", "LABEL")])
def test_what_rules_set_on_an_error_is_told_of_its_connection(setting, cause):
    rules = f"""table ip t {{ chain c {{ type filter hook forward priority 0
        icmp code 1 ct {setting}
        icmp code 2 ct {setting} drop
    }} }}"""
    tracker = listening(Ruleset.parse(rules))
    tracker.process(QUESTION, 0)
    tracker.process(icmp_error(QUESTION), 1)
    tracker.process(SYN, 2)
    tracker.process(icmp_error(SYN, code=2), 3)
    opened = ("NEW", ("OPENED",))
    assert told(tracker) == [opened, ("UPDATE", (cause,)), opened]
    tracker.process(SYN, 4)
    assert told(tracker) == [("UPDATE", (cause,))]


@pytest.mark.parametrize(("packet", "bits"), [
    (QUESTION, {"new"}), (SYN, {"new", "protoinfo"}), (udp(1, 7), {"new", "0x80"}),
    (udp(1, 8), {"new", "label"}), (udp(1, 69), {"new", "0x40"}),
], ids=["pair", "state", "mark", "label", "helper"])  # fmt: skip
@pytest.mark.parametrize("bit", ["new", "related", "protoinfo", "0x40", "0x80", "label"])
def test_an_opening_is_told_for_all_that_it_brings(packet, bits, bit):
    rules = f"""table ip t {{
        ct helper h {{ type "tftp" protocol udp; }}
        chain c {{ type filter hook forward priority 0
            ct event set {bit}
            udp dport 7 ct mark set 9
            udp dport 8 ct label set 5
            udp dport 69 ct helper set "h"
    }} }}"""
    tracker = listening(Ruleset.parse(rules))
    tracker.process(packet, 0)
    assert len(tracker.events()) == (bit in bits)
    tracker.flush()
    assert tracker.events() == []


@pytest.mark.parametrize(("setting", "told"), [
    ("ct event set new", 0), ("ct event set related", 1), ("ct event set 0x80", 0),
    ("ct mark set 6 ct event set 0x80", 1),
])  # fmt: skip
def test_what_was_expected_is_told_as_related_and_its_masters_mark_is_no_change(setting, told):
    rules = f"""table ip t {{
        ct expectation back {{ protocol udp; dport 99; timeout 60s; size 2; }}
        chain c {{ type filter hook forward priority 0
            udp dport 53 ct mark set 5 ct expectation set "back"
            udp dport 99 {setting}
    }} }}"""
    tracker = listening(Ruleset.parse(rules))
    tracker.process(QUESTION, 0)
    tracker.events()
    tracker.process(udp(53, 99, **BACK), 1)
    assert tracker.find(udp(53, 99, **BACK)).master is tracker.find(QUESTION)
    assert len(tracker.events()) == told


def test_the_hot_path_waits_until_all_is_told():
    text = """table inet filter { chain forward { type filter hook forward priority filter
        tcp dport 80 tcp flags ack drop
    } }"""
    tracker = listening(Ruleset.parse(text))
    for packet in (SYN, SYN_ACK, ACK):
        tracker.process(packet, 0)
    assert told(tracker)[1:] == [("UPDATE", ("REPLIED", "STATE"))]
    tracker.process(tcp(80, 1000, "PSH,ACK", 1, 1, data=b"hello", **BACK), 0)
    assert told(tracker) == [("UPDATE", ("ASSURED", "STATE"))]


def test_what_is_untold_goes_with_its_connection():
    rules = Ruleset([Rule(Action.DROP, source=SERVER)], policy=Action.ACCEPT)
    tracker = listening(rules)
    tracker.process(QUESTION, 0)
    tracker.process(ANSWER, 1)
    tracker.flush()
    assert told(tracker) == [("NEW", ("OPENED",)), ("DESTROY", ("DELETED",))]
    assert tracker._judge.journal._untold == {}


def test_a_refused_opener_leaves_no_event():
    tracker = listening(Ruleset([], policy=Action.DROP))
    tracker.process(QUESTION, 0)
    assert tracker.events() == []


def test_renewal_alone_is_no_event():
    tracker = listening(timeouts=Timeouts.linux(udp=5))
    for at in range(3):
        tracker.process(QUESTION, at)
    assert told(tracker) == [("NEW", ("OPENED",))]


def test_a_journal_that_nobody_reads_forgets_the_oldest_and_counts_them(monkeypatch):
    monkeypatch.setattr(journal, "KEPT", 3)
    tracker = listening()
    for port in range(5):
        tracker.process(udp(port, 53), port)
    assert tracker.lost_events == 2
    assert [event.at for event in tracker.events()] == [2, 3, 4]


def test_an_event_keeps_what_was():
    tracker = listening()
    tracker.process(QUESTION, 0)
    (opened,) = tracker.events()
    tracker.process(ANSWER, 1)
    assert opened.connection.seen_reply
    assert not opened.listing.seen_reply


def lapsing(octets, at):
    """Begin a datagram that never becomes whole, of so many octets with its header."""
    return piece(udp(data=bytes(4000)), 0, octets - 20, id_=at)


def test_fragments_that_nobody_asks_for_are_forgotten_too(monkeypatch):
    monkeypatch.setattr(journal, "KEPT_OCTETS", 2500)
    tracker = listening()
    for number in range(4):
        tracker.process(lapsing(1020, number), number)
    tracker.expire(100.0)
    tracker.process(QUESTION, 101.0)
    assert tracker.lost_events == 2
    assert told(tracker) == [("LAPSE", ("EXPIRED",))] * 2 + [("NEW", ("OPENED",))]
    tracker.process(lapsing(2500, 9), 200.0)
    tracker.expire(300.0)
    assert tracker.lost_events == 2
    assert [sum(map(len, each.held)) for each in tracker.events() if hasattr(each, "held")] == [
        2500
    ]
