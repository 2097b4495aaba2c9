"""The command as people run it: what it prints, where, and with which exit status."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import struct
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import builders
from builders import CLIENT, SERVER
from capturing import ARP, BACK, ethernet, handshake, pcap_of
from statefulinspect.cli import arguments, command, main, progress

CAPTURES = Path(__file__).parent.parent / "captures"
LATE = 200.0


SMALL = pcap_of((1000.5, ARP), *handshake(1001.5), (1006.75, ethernet(builders.icmp(8))))


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on the octets of a capture; give status, lines and complaint lines."""

    def run_it(octets, *options):
        path = tmp_path / "small.pcap"
        path.write_bytes(octets)
        status = main(["replay", *options, str(path)])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.replace(str(path), "FILE").splitlines()

    return run_it


def objects(lines):
    return [json.loads(line) for line in lines]


SMALL_TEXT = """\
  0.000000 not IP      -        -      ARP
  1.000000 new         original accept 10.0.1.2.40000 > 10.0.2.2.80: tcp SYN seq 1 len 0
  2.000000 established reply    accept 10.0.2.2.80 > 10.0.1.2.40000: tcp SYN,ACK seq 500 ack 2 len 0
  3.000000 established original accept 10.0.1.2.40000 > 10.0.2.2.80: tcp PSH,ACK seq 2 ack 501 len 90
  4.000000 invalid     -        drop   10.0.2.2.80 > 10.0.1.2.40000: tcp ACK seq 501 ack 9999 len 0 ACK_ABOVE_SENT
  6.250000 new         original accept 10.0.1.2 > 10.0.2.2: icmp echo request id 7 seq 1
connections left at 6.250000
tcp      6 296 ESTABLISHED src=10.0.1.2 dst=10.0.2.2 sport=40000 dport=80 packets=2 bytes=170 src=10.0.2.2 dst=10.0.1.2 sport=80 dport=40000 packets=1 bytes=40 [ASSURED] mark=0 use=1
icmp     1 30 src=10.0.1.2 dst=10.0.2.2 type=8 code=0 id=7 packets=1 bytes=28 [UNREPLIED] src=10.0.2.2 dst=10.0.1.2 type=0 code=0 id=7 packets=0 bytes=0 mark=0 use=1
totals
  packets      5
  not IP       1
  ct state     2 new, 2 established, 1 invalid
  action       4 accept, 1 drop
  reason       1 ACK_ABOVE_SENT
  connections  2 seen, 2 left
  duration     6.250000 s
"""  # noqa: E501 - as it is printed


def test_text(run):
    assert run(SMALL) == (0, SMALL_TEXT.splitlines(), [])


def test_quiet_prints_what_is_left_and_totals(run):
    for option in ("--quiet", "-q"):
        status, lines, complaint = run(SMALL, option)
        assert (status, lines, complaint) == (0, SMALL_TEXT.splitlines()[6:], [])


def test_a_capture_without_packets_has_totals_too(run):
    lines = ["totals", "  packets      0", "  connections  0 seen, 0 left"]
    assert run(pcap_of()) == (0, [*lines, "  duration     0.000000 s"], [])
    status, lines, _ = run(pcap_of(), "--json")
    assert (status, objects(lines)[0]["started_at"]) == (0, None)


DATAGRAM = builders.udp(data=bytes(56))
IN_PIECES = pcap_of(
    (0.0, ethernet(builders.piece(DATAGRAM, 0, 24))),
    (0.5, ethernet(builders.piece(DATAGRAM, 24))),
    (1.0, ethernet(builders.piece(DATAGRAM, 24))),
    (31.5, ethernet(builders.piece(DATAGRAM, 24))),
)
IN_PIECES_TEXT = """\
  0.000000 untracked   -        hold   10.0.1.2 > 10.0.2.2: udp fragment len 24 FRAGMENT_HELD
  0.500000 new         original accept 10.0.1.2 > 10.0.2.2: udp fragment len 40 with 1 held
  1.000000 untracked   -        hold   10.0.1.2 > 10.0.2.2: udp fragment len 40 FRAGMENT_HELD
 31.500000 untracked   -        hold   10.0.1.2 > 10.0.2.2: udp fragment len 40 FRAGMENT_HELD
totals
"""


def test_fragments(run):
    _, lines, _ = run(IN_PIECES)
    assert lines[:5] == IN_PIECES_TEXT.splitlines()
    _, lines, _ = run(IN_PIECES, "--events")
    assert " 31.000000   [LAPSE] src=10.0.1.2 dst=10.0.2.2 fragments=1 bytes=60" in lines
    _, lines, _ = run(IN_PIECES, "--json", "--events")
    found = objects(lines)
    assert [each["held"] for each in found if each["type"] == "packet"] == [0, 1, 0, 0]
    assert [each["causes"] for each in found if each.get("event") == "lapse"] == [["EXPIRED"]]
    assert found[-1]["actions"] == {"accept": 1, "drop": 0, "reject": 0, "hold": 3}


PACKET_KEYS = [
    *("type", "number", "time", "family", "protocol", "source", "destination", "source_port"),
    *("destination_port", "icmp_type", "icmp_code", "length", "is_cut", "summary", "ct_state"),
    *("direction", "action", "reason", "held", "rule", "place"),
]
CONNECTION_KEYS = [
    *("type", "protocol", "state", "seconds_left", "seen_reply", "is_assured", "mark", "zone"),
    *("original", "reply", "conntrack"),
]
DIRECTION_KEYS = [
    *("source", "destination", "source_port", "destination_port"),
    *("icmp_type", "icmp_code", "icmp_id", "packets", "octets"),
]
TOTALS_KEYS = [
    *("type", "packets", "not_ip", "cut", "ct_states", "actions", "reasons"),
    *("connections_seen", "connections_left", "started_at", "duration", "error"),
]
KEYS = {
    "packet": PACKET_KEYS,
    "not_ip": ["type", "number", "time", "summary"],
    "connection": CONNECTION_KEYS,
    "totals": TOTALS_KEYS,
}


def test_json_keys_are_always_the_same(run):
    status, lines, complaint = run(SMALL, "--json")
    assert (status, complaint) == (0, [])
    for each in objects(lines):
        assert list(each) == KEYS[each["type"]]
        if each["type"] == "connection":
            assert list(each["original"]) == list(each["reply"]) == DIRECTION_KEYS


def test_json_values(run):
    found = objects(run(SMALL, "--json")[1])
    assert [each["type"] for each in found] == [
        *("not_ip", "packet", "packet", "packet", "packet", "packet"),
        *("connection", "connection", "totals"),
    ]
    assert found[0] == {"type": "not_ip", "number": 1, "time": 0.0, "summary": "ARP"}
    assert found[4] == {
        "type": "packet",
        "number": 5,
        "time": 4.0,
        "family": 4,
        "protocol": 6,
        "source": SERVER,
        "destination": CLIENT,
        "source_port": 80,
        "destination_port": 40000,
        "icmp_type": None,
        "icmp_code": None,
        "length": 40,
        "is_cut": False,
        "summary": "10.0.2.2.80 > 10.0.1.2.40000: tcp ACK seq 501 ack 9999 len 0",
        "ct_state": "invalid",
        "direction": None,
        "action": "drop",
        "reason": "ACK_ABOVE_SENT",
        "held": 0,
        "rule": "ct state invalid drop",
        "place": {"family": "inet", "table": "filter", "chain": "forward", "rule": 1, "line": None},
    }
    assert found[6]["conntrack"] == SMALL_TEXT.splitlines()[7]
    assert found[6]["original"] == {
        "source": CLIENT,
        "destination": SERVER,
        "source_port": 40000,
        "destination_port": 80,
        "icmp_type": None,
        "icmp_code": None,
        "icmp_id": None,
        "packets": 2,
        "octets": 170,
    }
    assert (found[6]["state"], found[7]["state"]) == ("ESTABLISHED", None)
    assert found[8] == {
        "type": "totals",
        "packets": 5,
        "not_ip": 1,
        "cut": 0,
        "ct_states": {"new": 2, "established": 2, "related": 0, "invalid": 1, "untracked": 0},
        "actions": {"accept": 4, "drop": 1, "reject": 0, "hold": 0},
        "reasons": {"ACK_ABOVE_SENT": 1},
        "connections_seen": 2,
        "connections_left": 2,
        "started_at": 1000.5,
        "duration": 6.25,
        "error": None,
    }


def test_json_quiet(run):
    found = objects(run(SMALL, "--json", "--quiet")[1])
    assert [each["type"] for each in found] == ["connection", "connection", "totals"]


def test_what_has_no_ip_header_is_null_in_json(run):
    found = objects(run(pcap_of((0, b"\x45"), link_type=101), "--json")[1])[0]
    assert [found[key] for key in ("family", "protocol", "source", "source_port")] == [None] * 4
    assert (found["ct_state"], found["reason"]) == ("invalid", "IP_HEADER_MALFORMED")


def test_a_helper_lets_related_ones_in(run):
    octets = (CAPTURES / "tftp.pcap").read_bytes()
    for profile in ((), ("--linux",)):
        told = objects(run(octets, *profile, "--json", "--helper", "69=tftp")[1])
        assert sum(each.get("ct_state") == "related" for each in told) == 3
        plain = objects(run(octets, *profile, "--json")[1])
        assert not any(each.get("ct_state") == "related" for each in plain)


@pytest.mark.parametrize(
    "word", ["tftp", "69", "=tftp", "69=", "x=tftp", "65536=tftp", "\u0663=ftp"]
)
def test_what_is_no_helper_at_a_port(run, capsys, word):
    with pytest.raises(SystemExit) as left:
        run(SMALL, "--helper", word)
    assert left.value.code == 2
    assert f"--helper: {word!r}: expected PORT=NAME" in capsys.readouterr().err


def test_a_helper_there_is_not(run):
    status, lines, complaint = run(SMALL, "--helper", "21=ftpd")
    assert (status, lines) == (2, [])
    assert complaint[0].startswith("statefulinspect: --helper: helper 'ftpd': expected one of ")


def test_only_the_inside_may_open(run):
    back = ethernet(builders.tcp(1, 2, "SYN", **BACK))
    octets = pcap_of(*handshake(0), (4, back))
    assert objects(run(octets, "--json")[1])[4]["action"] == "accept"
    assert objects(run(octets, "--json", "--inside", "10.0.1.0/24")[1])[4]["action"] == "drop"
    assert objects(run(octets, "--json", "--inside", "fd00::/8")[1])[0]["action"] == "drop"
    both = ("--inside", "10.0.1.0/24", "--inside", "10.0.2.0/24")
    assert objects(run(octets, "--json", *both)[1])[4]["action"] == "accept"


def test_linux_picks_up_and_verifies(run):
    midstream = ethernet(builders.tcp(1, 2, "ACK", seq=9, ack=9))
    corrupt = ethernet(builders.udp(bad=True))
    octets = pcap_of((0, midstream), (1, corrupt))
    library = [each["ct_state"] for each in objects(run(octets, "--json")[1])[:2]]
    linux = [each["ct_state"] for each in objects(run(octets, "--json", "--linux")[1])[:2]]
    assert (library, linux) == (["invalid", "new"], ["new", "invalid"])


def test_linux_prints_no_counters(run):
    assert not any("packets=" in line for line in run(SMALL, "--linux", "-q")[1])


def test_packets_cut_by_the_capture_are_tracked_by_their_headers(run):
    octets = pcap_of(*handshake(0), keep=54)
    status, lines, complaint = run(octets)
    assert (status, complaint) == (0, [])
    assert "established original accept" in lines[2]
    assert "len 90" in lines[2]
    assert "  packets      4, 1 of them cut by the capture" in lines
    assert [each.get("is_cut") for each in objects(run(octets, "--json")[1])[:4]] == [
        *(False, False, True, False)
    ]


def test_linux_judges_cut_packets_as_they_are_and_tells_how_many(run):
    status, lines, complaint = run(pcap_of(*handshake(0), keep=54), "--linux")
    assert (status, complaint) == (0, [])
    assert lines[2].endswith("IP_CUT_SHORT")
    assert "  packets      4, 1 of them cut by the capture" in lines


@pytest.mark.parametrize("keep", [14, 19, 20])
def test_packets_of_which_nothing_is_left_are_cut_too(run, keep):
    lines = run(pcap_of(*handshake(0), keep=keep))[1]
    assert "  packets      4, 4 of them cut by the capture" in lines


def test_a_packet_cut_within_its_headers_is_not_guessed_at(run):
    lines = run(pcap_of(*handshake(0), keep=40), "--json")[1]
    assert {each["reason"] for each in objects(lines)[:4]} == {"IP_CUT_SHORT"}


@pytest.mark.parametrize("keep", [65535, 54])
def test_a_packet_without_a_length_is_as_long_as_its_frame(run, keep):
    large = builders.tcp(40000, 80, "PSH,ACK", seq=2, ack=501, data=bytes(3000))
    offloaded = ethernet(large[:2] + bytes(2) + large[4:])
    answer = ethernet(builders.tcp(80, 40000, "ACK", seq=501, ack=3002, **BACK))
    octets = pcap_of(*handshake(0)[:2], (2, offloaded), (3, answer), keep=keep)
    found = objects(run(octets, "--json")[1])[:4]
    assert [each["reason"] for each in found] == ["OK"] * 4
    assert (found[2]["length"], found[2]["is_cut"]) == (3040, keep == 54)


def test_connections_that_ended_are_seen_but_not_left(run):
    octets = pcap_of(*handshake(0), (LATE, ethernet(builders.udp())))
    octets += pcap_of((900 + LATE, ethernet(builders.udp())))[24:]
    totals = objects(run(octets, "--json")[1])[-1]
    assert (totals["connections_seen"], totals["connections_left"]) == (3, 1)


def test_what_is_left_is_left_at_the_last_record_even_if_that_is_not_ip(run):
    query = ethernet(builders.udp())
    totals = objects(run(pcap_of((0, query), (LATE, ARP)), "--json")[1])[-1]
    assert (totals["connections_seen"], totals["connections_left"]) == (1, 0)


def test_time_that_goes_back_is_shown_and_does_not_shorten_the_file(run):
    echo = ethernet(builders.icmp(8))
    _, lines, _ = run(pcap_of((10, echo), (12, echo), (9, echo)))
    assert lines[2].startswith(" -1.000000 new")
    assert lines[-1] == "  duration     2.000000 s"


def test_related_errors_name_what_they_are_about(run):
    query = builders.udp(1000, 53)
    error = ethernet(builders.icmp_error(query, 3, 3))
    _, lines, _ = run(pcap_of((0, ethernet(query)), (1, error)))
    assert lines[1] == (
        "  1.000000 related     reply    accept 10.0.2.2 > 10.0.1.2: icmp port unreachable for"
        " 10.0.1.2.1000 > 10.0.2.2.53 udp ERROR_ABOUT_CONNECTION"
    )


# ---- rules of the user's ---------------------------------------------------

RULES = """\
table inet t {
    chain c {
        type filter hook forward priority 0; policy drop;
        ct state established counter accept
        iifname "lan0" tcp dport 80 accept
        ct state invalid drop
    }
}
"""
RULES_TEXT = """\
  0.000000 not IP      -        -      ARP
  1.000000 new         original accept 10.0.1.2.40000 > 10.0.2.2.80: tcp SYN seq 1 len 0
  2.000000 established reply    accept 10.0.2.2.80 > 10.0.1.2.40000: tcp SYN,ACK seq 500 ack 2 len 0
  3.000000 established original accept 10.0.1.2.40000 > 10.0.2.2.80: tcp PSH,ACK seq 2 ack 501 len 90
  4.000000 invalid     -        drop   10.0.2.2.80 > 10.0.1.2.40000: tcp ACK seq 501 ack 9999 len 0 ACK_ABOVE_SENT by inet t c rule 3, line 6
  6.250000 new         original drop   10.0.1.2 > 10.0.2.2: icmp echo request id 7 seq 1 by policy
"""  # noqa: E501 - as it is printed


@pytest.fixture
def rules_file(tmp_path):
    def write(text=RULES):
        path = tmp_path / "office.nft"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_refused_packets_name_their_rule(run, rules_file):
    status, lines, complaint = run(SMALL, "--rules", rules_file(), "--iif", "lan0")
    assert (status, lines[:6], complaint) == (0, RULES_TEXT.splitlines(), [])


def test_the_rule_for_programs(run, rules_file):
    found = objects(run(SMALL, "--rules", rules_file(), "--iif", "lan0", "--json")[1])
    place = {"family": "inet", "table": "t", "chain": "c", "rule": 1, "line": 4}
    assert (found[2]["rule"], found[2]["place"]) == ("ct state established counter accept", place)
    assert (found[5]["rule"], found[5]["place"]) == (None, None)


def test_interfaces_and_hooks_count(run, rules_file):
    found = objects(run(SMALL, "--rules", rules_file(), "--json")[1])
    assert found[1]["action"] == "drop"
    found = objects(run(SMALL, "--rules", rules_file(), "--json", "--hook", "input")[1])
    assert {each["action"] for each in found if each["type"] == "packet"} == {"accept"}
    outward = rules_file(RULES.replace("forward", "output").replace("iifname", "oifname"))
    for name, action in (("lan0", "accept"), ("wan0", "drop")):
        options = ("--rules", outward, "--json", "--hook", "output", "--oif", name)
        assert objects(run(SMALL, *options)[1])[1]["action"] == action


NOON = 1_700_049_600.0  # 2023-11-15, 12:00 in UTC


def test_rules_are_told_the_time_of_day_of_the_capture(run, rules_file):
    rules = """table ip t { chain c {
      type filter hook forward priority 0; policy drop
      meta time > "2020-01-01" meta hour "08:00"-"17:00" meta day "Wednesday" accept
    } }"""
    for at, action in ((NOON, "accept"), (NOON + 6 * 3600, "drop")):
        capture = pcap_of(*((at + number, ethernet(builders.udp())) for number in (0.0, 0.125)))
        found = objects(run(capture, "--rules", rules_file(rules), "--json", "--events")[1])
        judged = [each for each in found if each["type"] == "packet"]
        assert [(each["time"], each["action"]) for each in judged] == [
            (0.0, action),
            (0.125, action),
        ]
        told = [each["time"] for each in found if each["type"] == "event"]
        assert told[:1] == ([0.0] if action == "accept" else [])


def test_the_way_of_one_packet_through_the_rules(run, rules_file):
    options = ("--rules", rules_file(), "--iif", "lan0", "-q", "--trace", "5", "--trace", "99")
    _, lines, _ = run(SMALL, *options)
    assert lines[0].endswith("ACK_ABOVE_SENT by inet t c rule 3, line 6")
    assert any("ct state invalid drop (verdict drop)" in line for line in lines[1:9])
    found = objects(run(SMALL, *options, "--json")[1])
    assert [each["type"] for each in found[:2]] == ["packet", "trace"]
    assert found[1]["number"] == 5
    assert any("(verdict drop)" in each for each in found[1]["steps"])


@pytest.mark.parametrize("word", ["0", "-1", "x", "1.5", "\u0661", "9" * 5000])
def test_what_is_no_number_to_trace(run, capsys, word):
    with pytest.raises(SystemExit) as left:
        run(SMALL, f"--trace={word}")
    assert left.value.code == 2
    assert f"--trace: {word!r}: expected the number of a packet" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_numbers_that_no_packet_has_are_told_on_standard_error(run, options):
    status, _, complaint = run(SMALL, *options, "--trace=7", "--trace=1", "--trace=2")
    assert (status, complaint) == (
        0,
        [
            "statefulinspect: --trace 1: it is not IP, but ARP",
            "statefulinspect: --trace 7: the capture ends with packet 6",
        ],
    )


def test_wrong_rules_take_one_line(run, rules_file):
    path = rules_file(RULES.replace("dport", "dprot"))
    status, lines, complaint = run(SMALL, "--rules", path)
    assert (status, lines, len(complaint)) == (2, [], 1)
    assert complaint[0].startswith(f"statefulinspect: {path}:5:28: ")


def test_what_the_library_does_not_know_is_told_on_standard_error(run, rules_file):
    path = rules_file(RULES.replace("ct state invalid", "fib saddr type local"))
    status, _, complaint = run(SMALL, "--rules", path)
    hint = " (--unsupported ignore leaves such things out)"
    assert (status, len(complaint), complaint[0].endswith(hint)) == (2, 1, True)
    status, lines, complaint = run(SMALL, "--rules", path, "--unsupported", "ignore")
    assert (status, len(lines) > 6, len(complaint)) == (0, True, 1)
    assert complaint[0].startswith(f"{path}:6: warning: ")


def test_a_helper_that_the_library_has_not_reads_nothing(run, rules_file):
    helper = 'ct helper h { type "netbios-ns" protocol udp; }'
    chain = "chain names { type filter hook forward priority -1; udp dport 137 ct helper set h; }"
    path = rules_file(f"{RULES}\ntable ip samba {{ {helper}\n{chain}\n}}\n".replace("h; }", "h\n}"))
    status, lines, complaint = run(SMALL, "--rules", path)
    assert (status, lines, len(complaint)) == (2, [], 1)
    complained = f"statefulinspect: {path}: helper 'netbios-ns': expected one of "
    assert complaint[0].startswith(complained)
    options = ["--unsupported", "ignore", "--helper", "1=ftp"]
    status, lines, complaint = run(SMALL, "--rules", path, *options)
    assert (status, len(lines) > 6) == (0, True)
    words = "helper 'netbios-ns' is not supported: it reads nothing"
    assert complaint == [f"{path}: warning: {words}"]


def test_rules_exclude_inside(run, rules_file, capsys):
    with pytest.raises(SystemExit) as left:
        run(SMALL, "--rules", rules_file(), "--inside", "10.0.0.0/8")
    assert left.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


# ---- complaints ------------------------------------------------------------


def test_a_cut_file_is_answered_as_far_as_it_goes(run):
    status, lines, complaint = run(SMALL[:-10])
    assert status == 2
    assert lines[:5] == SMALL_TEXT.splitlines()[:5]
    assert lines[-1] == "  duration     4.000000 s"
    at = len(SMALL) - 10
    expected = f"cut short: the file ends within a record, at octet {at}"
    assert complaint == [f"statefulinspect: FILE: {expected}"]
    totals = objects(run(SMALL[:-10], "--json")[1])[-1]
    assert (totals["packets"], totals["error"]) == (4, expected)


@pytest.mark.parametrize("name", ["raw.pcap", "office.pcapng"])
def test_a_file_cut_anywhere_never_ends_in_a_traceback(run, name):
    octets = (CAPTURES / name).read_bytes()[:300]
    for end in range(len(octets)):
        status, lines, complaint = run(octets[:end])
        assert (status, len(complaint)) in ((0, 0), (2, 1)), end
        assert status == 2 or lines[-1].startswith("  duration"), end


COMPLAINTS = {
    "empty": (b"", "the file is empty"),
    "text": (b"some text\n", "neither a pcap nor a pcapng file"),
    "link type": (
        pcap_of((0, ARP), link_type=105),
        "link type 105 is not supported, only Ethernet, Linux cooked, raw IP and BSD loopback",
    ),
    "header cut": (SMALL[:20], "cut short: the file ends within a record, at octet 20"),
    "first record cut": (SMALL[:30], "cut short: the file ends within a record, at octet 30"),
}


@pytest.mark.parametrize("options", [(), ("--json",), ("--quiet", "--linux")])
@pytest.mark.parametrize(("octets", "words"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_a_file_that_gives_nothing_gives_one_line_on_standard_error(run, octets, words, options):
    assert run(octets, *options) == (2, [], [f"statefulinspect: FILE: {words}"])


def two_interfaces(*link_types):
    """Make a pcapng file with a packet on each of two interfaces."""
    shb = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    idbs = b"".join(struct.pack("<IIHHII", 1, 20, kind, 0, 0, 20) for kind in link_types)
    packets = b"".join(
        struct.pack("<IIIIIII", 6, 60, number, 0, 0, 28, 28) + builders.udp() + b"\x3c\0\0\0"
        for number in (0, 1)
    )
    return shb + idbs + packets


@pytest.mark.parametrize("link_types", [(101, 220), (220, 101)])
def test_an_interface_whose_link_type_is_not_known_leaves_the_others(run, link_types):
    status, lines, complaint = run(two_interfaces(*link_types), "--json")
    told = {each["type"]: each["summary"] for each in objects(lines)[:2]}
    assert (status, told["not_ip"], complaint) == (0, "link type 220", [])
    assert told["packet"].endswith("udp len 0")


def test_a_capture_of_unknown_link_types_only_cannot_be_read(run):
    status, lines, complaint = run(two_interfaces(220, 105))
    assert (status, lines[0].split()[-3:], len(complaint)) == (2, ["link", "type", "220"], 1)
    assert "link type 105 is not supported" in complaint[0]


def test_missing_files_and_directories(tmp_path, capsys):
    for path, words in (
        (tmp_path / "missing", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        assert main(["replay", str(path)]) == 2
        assert capsys.readouterr() == ("", f"statefulinspect: {path}: {words}\n")


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("10.0.0.0/33", "prefix '10.0.0.0/33': expected CIDR notation"),
        ("10.0.0.1/8", "prefix '10.0.0.1/8': has host bits set; expected '10.0.0.0/8'"),
        ("office", "prefix 'office': expected CIDR notation, as in '10.0.0.0/8'"),
    ],
)
def test_a_prefix_that_is_none(run, prefix, words):
    status, lines, complaint = run(SMALL, "--inside", prefix)
    assert (status, lines, len(complaint)) == (2, [], 1)
    assert complaint[0].startswith(f"statefulinspect: --inside: {words}")


def test_rules_that_cannot_work_are_named(tmp_path, capsys):
    rules, capture, expected = (str(tmp_path / each) for each in ("h.nft", "c.pcap", "h.expect"))
    Path(rules).write_text('table ip t { ct helper h { type "h323" protocol tcp; } }')
    Path(capture).write_bytes(SMALL)
    Path(expected).write_text("1 accept")
    for words in (["replay", "--rules", rules], ["test", rules, "--expect", expected]):
        assert main([*words, capture]) == 2
        assert capsys.readouterr().err.startswith(f"statefulinspect: {rules}: helper 'h323'")


@pytest.mark.parametrize(
    ("hooks", "asked", "others"),
    [
        (["input"], "forward", "input"),
        (["input", "output", "prerouting"], "forward", "input and output"),
        (["forward", "input"], "output", "forward and input"),
        (["input", "forward"], "forward", ""),
        (["prerouting"], "forward", ""),
        ([], "forward", ""),
    ],
)
def test_rules_without_a_chain_at_the_hook(tmp_path, capsys, hooks, asked, others):
    rules, capture, expected = (str(tmp_path / each) for each in ("h.nft", "c.pcap", "h.expect"))
    chains = (f"chain {hook} {{ type filter hook {hook} priority 0; }}" for hook in hooks)
    Path(rules).write_text(f"table ip t {{ {'; '.join(chains)}; }}")
    Path(capture).write_bytes(SMALL)
    Path(expected).write_text("2 accept")
    told = f"{rules}: warning: no chain at hook {asked}, but some at {others}: see --hook\n"
    for words in (["replay", "--rules", rules], ["test", rules, "--expect", expected]):
        assert main([*words, "--hook", asked, capture]) == 0
        assert capsys.readouterr().err == (told if others else "")


@pytest.mark.parametrize(
    "words", [[], ["replay"], ["play", "x"], ["replay", "--fast", "x"], ["replay", "x", "y"]]
)
def test_wrong_arguments_take_one_line(capsys, words):
    with pytest.raises(SystemExit) as left:
        main(words)
    out, err = capsys.readouterr()
    assert (left.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("statefulinspect: ")
    assert err.endswith(" --help\n")


@pytest.mark.parametrize("words", [["-h"], ["replay", "-h"], ["--version"]])
def test_help_and_version(capsys, words):
    with pytest.raises(SystemExit) as left:
        main(words)
    out, err = capsys.readouterr()
    assert (left.value.code, err) == (0, "")
    assert "statefulinspect" in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["replay", "--help"])
    out = capsys.readouterr().out
    for word in (
        "--inside",
        "--rules",
        "--include",
        "--unsupported",
        "--hook",
        "--iif",
        "--oif",
        "--trace",
        "--linux",
        "--json",
        "--quiet",
        "--events",
        "--version",
        "FILE",
        "exit status",
    ):
        assert word in out


def test_the_version_of_a_library_that_is_not_installed(capsys, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(arguments, "version", version)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == "statefulinspect (not installed)\n"


def forget(monkeypatch, *names):
    for name in names:
        monkeypatch.delitem(sys.modules, f"statefulinspect.cli.{name}", raising=False)


def test_without_rich_one_line_says_what_to_install(run, monkeypatch):
    forget(monkeypatch, "text", "progress")
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    words = "statefulinspect: the command line needs rich: pip install 'statefulinspect[cli]'"
    assert run(SMALL) == (2, [], [words])


def test_any_other_missing_module_is_not_hidden(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "statefulinspect.cli.replay", None)
    with pytest.raises(ModuleNotFoundError):
        run(SMALL)


# ---- terminals, pipes and signals ------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.usefixtures("terminal_environment")
def test_colour_on_a_terminal_changes_no_word_and_wraps_no_line(run, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    run(SMALL)
    assert "\x1b[32mestablished" in screen.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()) == SMALL_TEXT


@pytest.mark.usefixtures("terminal_environment")
def test_no_colour_where_people_want_none(run, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    run(SMALL)
    assert screen.getvalue() == SMALL_TEXT


@pytest.mark.usefixtures("terminal_environment")
@pytest.mark.parametrize(
    ("out", "options", "long", "has_bar"),
    [
        (io.StringIO, (), 0, True),
        (io.StringIO, ("--json",), 0, True),
        (Terminal, ("--quiet",), 0, True),
        (Terminal, (), 0, False),
        (io.StringIO, (), progress.LONG, False),
    ],
)
def test_the_bar_is_for_long_files_and_who_watches(run, monkeypatch, out, options, long, has_bar):
    screen, output = Terminal(), out()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(progress, "LONG", long)
    run(SMALL, *options)
    assert ("replaying" in screen.getvalue()) is has_bar
    assert "replaying" not in output.getvalue()
    assert ("ARP" in output.getvalue()) is ("--quiet" not in options)


@pytest.mark.usefixtures("terminal_environment")
def test_no_bar_where_nobody_watches(run, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "LONG", 0)
    assert run(SMALL)[0] == 0
    assert screen.getvalue() == ""


class Broken(io.StringIO):
    """Fail as a pipe does whose reader is gone, or as a full disk."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, _):
        raise self.error


def test_a_reader_that_leaves_is_no_error(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(BrokenPipeError()))
    status, _, complaint = run(SMALL)
    assert (status, complaint) == (command.BROKEN_PIPE, [])


def test_a_full_disk_is_one_line(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(OSError(28, "No space left on device")))
    status, _, complaint = run(SMALL)
    words = ["statefulinspect: standard output: No space left on device"]
    assert (status, complaint) == (2, words)


def read_from(monkeypatch, file):
    monkeypatch.setattr(sys, "stdin", type("Standard", (), {"buffer": file}))


def test_standard_input(monkeypatch, capsys):
    read_from(monkeypatch, io.BytesIO(SMALL))
    assert main(["replay", "-"]) == 0
    assert capsys.readouterr() == (SMALL_TEXT, "")
    read_from(monkeypatch, io.BytesIO(b""))
    assert main(["replay", "-"]) == 2
    assert capsys.readouterr().err == "statefulinspect: standard input: the file is empty\n"


class Interrupted(io.BytesIO):
    """Have ^C pressed while the last packet is waited for."""

    def read(self, count=-1):
        if len(SMALL) - self.tell() < 50:
            raise KeyboardInterrupt
        return super().read(count)


def test_control_c_ends_with_what_is_left_and_totals(monkeypatch, capsys):
    for options in ((), ("--json",)):
        read_from(monkeypatch, io.BytesIO(SMALL[:-58]))
        assert main(["replay", *options, "-"]) == 0
        expected = capsys.readouterr()
        read_from(monkeypatch, Interrupted(SMALL))
        assert main(["replay", *options, "-"]) == command.INTERRUPTED == 130
        assert capsys.readouterr() == expected


def test_interrupted_while_arguments_are_read(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "parse", interrupted)
    assert main(["replay", "-"]) == command.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_control_c_ends_the_printing_quietly(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(KeyboardInterrupt()))
    status, _, complaint = run(SMALL, "-q")
    assert (status, complaint) == (command.INTERRUPTED, [])


def shell(*words, **environment):
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "statefulinspect.cli", *words],
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_module_runs_and_does_not_depend_on_the_hash_seed():
    capture = str(CAPTURES / "office.pcap")
    for options in ((), ("--json",)):
        runs = [shell("replay", *options, capture, PYTHONHASHSEED=seed) for seed in ("0", "77")]
        assert {run.returncode for run in runs} == {0}
        assert {run.stderr for run in runs} == {b""}
        assert len({run.stdout for run in runs}) == 1
        assert len(runs[0].stdout) > 100_000


POOR = {
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.mark.parametrize("environment", POOR.values(), ids=POOR)
@pytest.mark.parametrize("command", ["check", "replay", "test"])
def test_what_cannot_be_encoded_is_escaped(rules_file, tmp_path, command, environment):
    logged = 'ct state invalid log prefix "\xfc" drop'
    rules = rules_file(RULES.replace("ct state invalid drop", f"{logged}\nip ttl 1 {logged}"))
    capture, expected = tmp_path / "small.pcap", tmp_path / "small.expect"
    capture.write_bytes(SMALL)
    expected.write_text("5 accept\n", encoding="utf-8")
    words = {
        "check": ["check", rules],
        "replay": ["replay", "--rules", rules, "--trace", "5", str(capture)],
        "test": ["test", rules, str(capture), "--expect", str(expected)],
    }[command]
    run = shell(*words, **environment)
    assert (run.returncode, run.stderr) == (command == "test", b"")
    assert b"\\xfc" in run.stdout


def test_a_broken_pipe_is_quiet_to_the_very_end():
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "statefulinspect.cli", "replay", str(CAPTURES / "office.pcap")],
        stdout=write_end,
        stderr=subprocess.PIPE,
    )
    os.close(write_end)
    os.read(read_end, 10)
    os.close(read_end)
    _, complaint = process.communicate()
    assert (process.returncode, complaint) == (command.BROKEN_PIPE, b"")


@pytest.mark.parametrize("name", ["statefulinspect", "statefulinspect.cli"])
def test_dunder_main(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", ["statefulinspect", "replay", str(CAPTURES / "null.pcap")])
    monkeypatch.delitem(sys.modules, f"{name}.__main__", raising=False)
    with pytest.raises(SystemExit) as left:
        runpy.run_module(name, run_name="__main__")
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("  0.000000 new         original accept 10.0.9.1 > ")


# ---- real captures ---------------------------------------------------------

HELLO = ("nanosecond", "vlan", "null", "raw", "sll", "sll2")


@pytest.mark.parametrize("name", HELLO)
def test_every_link_layer_shows_the_same_conversation(capsys, name):
    assert main(["replay", "--linux", "--json", str(CAPTURES / f"{name}.pcap")]) == 0
    found = objects(capsys.readouterr().out.splitlines())
    packets = [each for each in found if each["type"] == "packet"]
    told = [each for each in packets if each["ct_state"] != "untracked"]
    assert [(each["protocol"], each["ct_state"]) for each in told] == [
        *((1, "new"), (1, "established"), (58, "new"), (58, "established")),
        *((17, "new"), (17, "established"), (6, "new"), *[(6, "established")] * 9),
    ]
    assert found[-1]["not_ip"] == 0


@pytest.mark.parametrize("options", [(), ("--linux",)])
def test_the_office_is_tracked_without_an_invalid_packet(capsys, options):
    assert main(["replay", "-q", "--json", *options, str(CAPTURES / "office.pcap")]) == 0
    totals = objects(capsys.readouterr().out.splitlines())[-1]
    assert totals["ct_states"]["invalid"] == 0
    assert totals["actions"]["accept"] == totals["packets"] > 1000


DYING = pcap_of((5.0, ethernet(builders.udp())), (6.5, ethernet(builders.udp(53, 1000, **BACK))),
                (LATE, ethernet(builders.icmp(8))))  # fmt: skip
DYING_EVENTS = """\
  0.000000     [NEW] udp      17 30 src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53 [UNREPLIED] src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000
  1.500000  [UPDATE] udp      17 30 src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53 src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000
 31.500000 [DESTROY] udp      17 src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53 packets=1 bytes=28 src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000 packets=1 bytes=28
195.000000     [NEW] icmp     1 30 src=10.0.1.2 dst=10.0.2.2 type=8 code=0 id=7 [UNREPLIED] src=10.0.2.2 dst=10.0.1.2 type=0 code=0 id=7
"""  # noqa: E501 - as it is printed


def test_events_as_conntrack_prints_them(run):
    status, lines, complaint = run(DYING, "--events", "--quiet")
    assert (status, lines[:4], complaint) == (0, DYING_EVENTS.splitlines(), [])


def test_events_stand_under_their_packet(run):
    _, lines, _ = run(DYING, "--events")
    assert ["[NEW]" in line for line in lines[:2]] == [False, True]


def test_events_for_programs(run):
    _, lines, _ = run(DYING, "--events", "--quiet", "--json")
    told = [each for each in objects(lines) if each["type"] == "event"]
    assert told[2] == {
        "type": "event",
        "time": 31.5,
        "event": "destroy",
        "causes": ["EXPIRED"],
        "conntrack": DYING_EVENTS.splitlines()[2][11:],
    }
