"""The command that tests rules with a capture, and the format of what it expects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import builders
from capturing import ARP, ethernet, handshake, pcap_of
from statefulinspect.cli import main
from statefulinspect.cli.expectations import (
    HEADER,
    Answer,
    ExpectationError,
    read_expectations,
    write_expectations,
)

TESTS = Path(__file__).parent.parent
CAPTURE = pcap_of((1000.5, ARP), *handshake(1001.5), (1006.75, ethernet(builders.icmp(8))))
RULES = """\
table inet t {
    chain c {
        type filter hook forward priority 0; policy drop;
        ct state established counter accept
        tcp dport 80 accept
        ct state invalid drop
    }
}
"""
EXPECTED = """\
# a comment on top

1         not-ip
2         accept new by tcp dport 80 accept
3-4       accept established by ct state established counter accept
5         drop invalid ACK_ABOVE_SENT by ct state invalid drop
6         drop new by policy
"""


@pytest.fixture
def trial(tmp_path, capsys, monkeypatch):
    """Run the command; give status, lines and complaint lines."""
    monkeypatch.chdir(tmp_path)

    def run_it(expected, *options, rules=RULES, capture=CAPTURE):
        (tmp_path / "office.nft").write_text(rules, encoding="utf-8")
        (tmp_path / "office.pcap").write_bytes(capture)
        if expected is not None:
            (tmp_path / "office.expect").write_text(expected, encoding="utf-8")
        words = ["test", "office.nft", "office.pcap", "--expect", "office.expect", *options]
        status = main(words)
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run_it


def test_as_expected(trial):
    assert trial(EXPECTED) == (0, ["OK: 6 packets as expected"], [])
    assert trial(EXPECTED, "--all") == (0, ["OK: 6 packets as expected"], [])


def test_what_is_not_mentioned_is_not_compared(trial):
    lines = "2 accept new original\n5 drop # no matter why\n"
    assert trial(lines) == (0, ["OK: 2 packets as expected, 4 not compared"], [])
    status, out, _ = trial(lines, "--all")
    assert status == 1
    assert out[:3] == ["packet 1 at 0.000000: ARP", "  expected  nothing", "  got       not-ip"]
    assert out[-1] == "4 of 6 packets differ"


def test_the_first_difference_is_shown_with_its_way_through_the_rules(trial):
    expected = EXPECTED.replace("2         accept new by", "2         drop new by")
    status, out, err = trial(expected.replace("6         drop", "6         accept"))
    assert (status, err) == (1, [])
    assert out[:4] == [
        "packet 2 at 1.000000: 10.0.1.2.40000 > 10.0.2.2.80: tcp SYN seq 1 len 0",
        "  expected  drop new by tcp dport 80 accept (office.expect:4)",
        "  got       accept new original by inet t c rule 2, line 5: tcp dport 80 accept",
        "  trace",
    ]
    assert all(line.startswith("    ") for line in out[4:-1])
    assert any("(verdict accept)" in line for line in out[4:-1])
    assert out[-1] == "2 of 6 packets differ"


def test_the_trace_is_that_of_the_moment(trial):
    _, out, _ = trial("4 drop\n")
    assert "  got       accept established original by inet t c rule 1, line 4" in out[2]
    assert any("rule 1" in line and "(verdict accept)" in line for line in out[4:-1])


def test_packets_beyond_the_end(trial):
    status, out, _ = trial("2 accept\n9 drop\n")
    assert (status, out) == (
        1,
        [
            "packet 9: the capture ends with packet 6",
            "  expected  drop (office.expect:2)",
            "1 of 2 packets differ",
        ],
    )


def test_json(trial):
    status, out, _ = trial(EXPECTED, "--json")
    assert (status, len(out)) == (0, 1)
    assert json.loads(out[0]) == {
        "type": "test",
        "expectations": "office.expect",
        "records": 6,
        "compared": 6,
        "differing": 0,
        "first": None,
    }
    status, out, _ = trial("5 accept\n", "--json")
    first = json.loads(out[0])["first"]
    assert status == 1
    assert (first.pop("trace") != [], first["place"]["rule"]) == (True, 3)
    assert (first["number"], first["line"], first["expected"]) == (5, 1, "accept")
    assert first["got"] == {
        "action": "drop",
        "ct_state": "invalid",
        "direction": "",
        "reason": "ACK_ABOVE_SENT",
        "by": "ct state invalid drop",
    }
    missing = json.loads(trial("9 drop\n", "--json")[1][0])["first"]
    assert (missing["got"], missing["place"], missing["trace"]) == (None, None, [])


def test_update_writes_what_happens_now(trial, tmp_path):
    status, out, err = trial(None, "--update")
    assert (status, out, err) == (0, [], ["office.expect: 6 packets written"])
    text = (tmp_path / "office.expect").read_text(encoding="utf-8")
    assert text == HEADER + EXPECTED.partition("\n\n")[2]
    assert trial(None, "--all")[0] == 0


def test_update_for_programs(trial):
    status, out, err = trial(None, "--update", "--json")
    assert (status, len(out), err) == (0, 1, [])
    expected = {"type": "update", "expectations": "office.expect", "records": 6}
    assert json.loads(out[0]) == expected


def test_update_keeps_the_comment_on_top(trial, tmp_path):
    trial("# mine\n# too\n\n1 drop # gone\n", "--update")
    text = (tmp_path / "office.expect").read_text(encoding="utf-8")
    assert text.startswith("# mine\n# too\n\n1         not-ip\n2 ")
    assert "gone" not in text


def test_the_way_of_the_packets(trial):
    rules = RULES.replace("hook forward", "hook input").replace("tcp dport 80", "iifname lan0")
    assert trial("2 drop\n", "--hook", "input", rules=rules)[0] == 0
    assert trial("2 accept\n", "--hook", "input", "--iif", "lan0", rules=rules)[0] == 0
    assert trial("2 accept by policy\n", "--hook", "output", rules=rules)[0] == 0


def test_the_setup_of_the_tracker(trial):
    midstream = ethernet(builders.tcp(1, 80, "ACK", seq=9, ack=9))
    capture = pcap_of((0, midstream))
    assert trial("1 drop invalid\n", capture=capture, rules=RULES.replace("tcp", "udp"))[0] == 0
    assert trial("1 accept new\n", "--linux", capture=capture)[0] == 0


MALFORMED = {
    "no number": ("accept 5", "'accept': expected numbers of packets, as 3, 3-10 or 3,5-7"),
    "no number behind a comma": ("5, accept", "'5,': expected numbers of packets"),
    "half a number": ("5x accept", "'5x': expected numbers of packets"),
    "no word": ("5", "nothing is expected: there should be"),
    "only a comment": ("5 # accept", "nothing is expected"),
    "a wrong word": ("5 acept", "'acept': expected an action, a ct state, a direction,"),
    "two actions": ("5 accept drop", "'drop': there is another action, 'accept'"),
    "backwards": ("9-5 drop", "'9-5': packets count from 1, and ranges upwards"),
    "from nought": ("0 drop", "'0': packets count from 1"),
    "too many": ("1-1000002 drop", "'1-1000002': expected at most 1,000,000 packets at once"),
    "of too many digits": ("9" * 5000 + " drop", f"'{'9' * 5000}': expected numbers of packets"),
    "twice": ("1-5 drop\n\n5 drop", "packet 5 stands on line 1 already"),
    "by nobody": ("5 by", "nothing is expected"),
}


@pytest.mark.parametrize(("text", "words"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_expectations(trial, text, words):
    status, out, err = trial(f"# first\n{text}\n")
    line = 2 + text.count("\n")
    words = words.replace("line 1", "line 2")
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"statefulinspect: office.expect:{line}: {words}")


def test_files_that_cannot_be_read(trial):
    assert trial(None)[2] == ["statefulinspect: office.expect: No such file or directory"]
    status, _, err = trial(EXPECTED, rules=RULES.replace("dport", "dprot"))
    assert (status, err[0].startswith("statefulinspect: office.nft:5:")) == (2, True)
    status, _, err = trial(EXPECTED, capture=CAPTURE[:-5])
    assert (status, err[0].startswith("statefulinspect: office.pcap: cut short")) == (2, True)
    advice = "gunzip -c CAPTURE | statefulinspect test RULES - --expect FILE"
    err = trial(EXPECTED, capture=b"\x1f\x8b\x08\x00")[2]
    assert err == [f"statefulinspect: office.pcap: compressed; try: {advice}"]
    status, _, err = trial(EXPECTED, "--helper", "21=ftpd")
    assert (status, err[0].startswith("statefulinspect: --helper: ")) == (2, True)


def test_expectations_that_cannot_be_written(trial, tmp_path):
    (tmp_path / "office.expect").mkdir()
    status, _, err = trial(None, "--update")
    assert (status, err) == (2, ["statefulinspect: office.expect: Is a directory"])
    status, _, err = trial(None, "--update", "--expect", "no/such.expect")
    assert (status, err) == (2, ["statefulinspect: no/such.expect: No such file or directory"])


def test_comments_and_quotation_marks():
    found = read_expectations('3,5-6 by log prefix "a # b" drop   # why\n')
    assert sorted(found) == [3, 5, 6]
    assert found[5].answer == Answer(by='log prefix "a # b" drop')


@pytest.mark.parametrize(
    "text",
    ["2,4-5\taccept\tby\tpolicy", "2, 4 - 5 accept  by  policy", "\t2 ,4-5  accept by\tpolicy "],
)
def test_any_blanks_will_do(text):
    found = read_expectations(text)
    assert {number: each.answer for number, each in found.items()} == dict.fromkeys(
        (2, 4, 5), Answer("accept", by="policy")
    )


def test_counters_are_no_part_of_a_rule():
    found = read_expectations("3 by counter packets 7 bytes 9 drop\n")
    assert found[3].answer.by == "counter drop"


# As one may write a rule, and as nft or another hand may.
SAME = {
    "a set": ("tcp dport { 80, 443 } accept", "tcp dport { 443, 80 } accept"),
    "a map": ("ct state vmap { new : drop, related : accept }",
              "ct state vmap { related : accept, new : drop }"),
    "comments of elements": ('ip saddr { 10.0.0.1 comment "b, c", 10.0.0.2 } drop',
                             'ip saddr { 10.0.0.2, 10.0.0.1 comment "b, c" } drop'),
    "two sets": ("tcp sport { 1, 2 } tcp dport { 3, 4 }", "tcp sport { 2, 1 } tcp dport { 4, 3 }"),
    "blanks": ("tcp dport { 80, 443 } accept", "tcp  dport\t{443,80}   accept"),
}  # fmt: skip
OTHER = {
    "another element": ("tcp dport { 80, 443 }", "tcp dport { 80, 444 }"),
    "quoted braces": ('log prefix "{ b, a }"', 'log prefix "{ a, b }"'),
    "quoted blanks": ('log prefix "a  b"', 'log prefix "a b"'),
    "elements of the other set": ("tcp sport { 1 } tcp dport { 2 }",
                                  "tcp sport { 2 } tcp dport { 1 }"),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_rules_that_say_the_same(one, other):
    assert Answer(by=one).meets(Answer(by=other))
    assert Answer(by=other).meets(Answer(by=one))


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_rules_that_say_something_else(one, other):
    assert not Answer(by=one).meets(Answer(by=other))


def test_what_is_written_is_read_again():
    answers = [
        Answer("accept", "new", "original", "OK", 'tcp dport 22 accept comment "# 1"'),
        Answer("accept", "established", "reply", "OK", "policy"),
        Answer("accept", "established", "original", "OK", "policy"),
        Answer("hold", "untracked", "", "FRAGMENT_HELD", ""),
        Answer("not-ip"),
    ]
    text = write_expectations(enumerate(answers, start=1), "")
    assert text.splitlines()[2] == "2-3       accept established by policy"
    found = read_expectations(text)
    assert all(each.meets(found[number].answer) for number, each in enumerate(answers, start=1))
    with pytest.raises(ExpectationError):
        read_expectations(text + "5 drop\n")


def test_the_example(capsys):
    words = [str(TESTS / "rulesets" / "office.nft"), str(TESTS / "captures" / "office.pcap")]
    expected = str(TESTS / "rulesets" / "office.expect")
    assert main(["test", *words, "--expect", expected]) == 0
    assert capsys.readouterr().out.startswith("OK: ")
