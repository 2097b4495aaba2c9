"""The command that looks for mistakes in rules: what it prints, and its exit status."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from statefulinspect.cli import main
from statefulinspect.rules.ruleset import Ruleset

RULESETS = Path(__file__).parent.parent / "rulesets"
GOOD = """\
table inet t {
    chain c {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        tcp dport 22 accept
    }
}
"""
SHADOWED = GOOD.replace("22 accept\n", "22 accept\n        tcp dport 22 ip ttl 1 drop\n")
SHADOWED_WORDS = "never matches: line 5 decides of all its packets (tcp dport 22 accept)"
WRONG = GOOD.replace("tcp dport", "tcp\tdprot")


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Run the command on files of these contents; give status, lines and complaint lines."""
    monkeypatch.chdir(tmp_path)

    def run_it(*texts, options=()):
        names = [f"{number}.nft" for number in range(1, len(texts) + 1)]
        for name, text in zip(names, texts):
            (tmp_path / name).write_text(text, encoding="utf-8")
        status = main(["check", *options, *names])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run_it


def test_good_rules(check):
    assert check(GOOD) == (0, ["1.nft: 2 rules in 1 chain, no findings"], [])


def test_findings_stand_at_their_lines(check):
    lines = [
        f"1.nft:6: warning: {SHADOWED_WORDS} [shadowed]",
        "1.nft: 3 rules in 1 chain, 1 finding",
    ]
    assert check(SHADOWED) == (0, lines, [])
    assert check(SHADOWED, options=["--strict"]) == (1, lines, [])


def test_advice_is_no_finding_to_strict(check):
    text = GOOD.replace("policy drop", "policy accept")
    status, lines, _ = check(text, options=["--strict"])
    assert (status, lines[0].split()[:2]) == (0, ["1.nft:4:", "info:"])


def test_wrong_rules(check):
    status, lines, complaint = check(WRONG)
    assert (status, len(lines), complaint) == (1, 3, [])
    assert lines[0].startswith("1.nft:5:13: error: ")
    assert lines[1] == "            tcp\tdprot 22 accept"
    assert lines[2] == "               \t^"


def test_every_file_is_checked(check):
    status, lines, _ = check(WRONG, GOOD)
    assert status == 1
    assert lines[-1] == "2.nft: 2 rules in 1 chain, no findings"


def test_json(check):
    status, lines, _ = check(SHADOWED, WRONG, options=["--json"])
    finding, file, error = map(json.loads, lines)
    assert status == 1
    assert finding == {
        "type": "finding",
        "file": "1.nft",
        "line": 6,
        "level": "warning",
        "kind": "shadowed",
        "message": SHADOWED_WORDS,
        "place": {"family": "inet", "table": "t", "chain": "c", "rule": 3, "line": 6},
    }
    assert file == {"type": "file", "file": "1.nft", "rules": 3, "chains": 1, "findings": 1}
    assert (error["type"], error["file"], error["line"]) == ("error", "2.nft", 5)
    assert (error["column"], bool(error["message"])) == (13, True)


def test_rules_as_nft_prints_them_in_json(check):
    chain = {"family": "inet", "table": "t", "name": "c", "handle": 1}
    rule = {"family": "inet", "table": "t", "chain": "c", "handle": 2, "expr": [{"drop": None}]}
    objects = [
        {"metainfo": {"json_schema_version": 1}},
        {"table": {"family": "inet", "name": "t", "handle": 1}},
        {"chain": chain},
        {"rule": rule},
    ]
    status, lines, _ = check(json.dumps({"nftables": objects}))
    assert status == 0
    assert lines == [
        "1.nft: warning: inet t c rule 1: chain inet t c hangs on no hook, and no packet is sent"
        " to it [unreachable]",
        "1.nft: 1 rule in 1 chain, 1 finding",
    ]


def test_wrong_json_has_no_line(check):
    status, lines, _ = check('{"nftables": [{"table": {"family": "inet"}}]}')
    assert (status, len(lines), lines[0].startswith("1.nft: error: ")) == (1, 1, True)


def test_included_files(check, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "near.nft").write_text("define a = 22\n", encoding="utf-8")
    (tmp_path / "more" / "far.nft").write_text("define b = 80\n", encoding="utf-8")
    text = 'include "near.nft"\ninclude "far.nft"\ninclude "none*.nft"\n'
    text += GOOD.replace("22", "{ $a, $b }")
    assert check(text, options=["--include", "more"])[0] == 0
    status, lines, _ = check(text)
    assert status == 1
    assert "there is no such file" in lines[0]


@pytest.mark.parametrize("name", ["more", "more/", "./more/", "more/*.none"])
def test_an_included_directory_holds_nothing(check, tmp_path, name):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "far.nft").write_text("define 22\n", encoding="utf-8")
    assert check(f'include "{name}"\n{GOOD}')[0] == 0


def test_an_included_file_that_cannot_be_read(check, tmp_path):
    (tmp_path / "near.nft").write_bytes(b"# caf\xe9\n")
    status, lines, _ = check('include "near.nft"\n')
    assert status == 1
    assert lines[0].endswith("near.nft: is no text in UTF-8")


def test_findings_name_the_included_file(check, tmp_path):
    (tmp_path / "near.nft").write_text(SHADOWED, encoding="utf-8")
    lines = check('include "near.nft"\n')[1]
    assert lines[0].startswith("near.nft:6: warning: never matches: line 5 of near.nft decides ")
    finding = json.loads(check('include "near.nft"\n', options=["--json"])[1][0])
    assert (finding["file"], finding["line"]) == ("near.nft", 6)


def test_an_error_in_an_included_file(check, tmp_path):
    (tmp_path / "near.nft").write_text("\ndefine 22\n", encoding="utf-8")
    status, lines, _ = check('include "near.nft"\n' + GOOD)
    assert (status, lines[0].startswith("near.nft:2:")) == (1, True)
    assert lines[1] == "    define 22"


def test_an_error_about_a_whole_chain_in_an_included_file(check, tmp_path):
    chain = "chain c { type nat hook prerouting priority -100; }"
    (tmp_path / "near.nft").write_text(f"\n{chain}\n", encoding="utf-8")
    status, lines, _ = check('# rules\n# here\ntable ip t {\n include "near.nft"\n}\n')
    assert (status, lines[0].startswith("near.nft:2:1: error: type nat")) == (1, True)
    assert lines[1] == f"    {chain}"


def test_errors_name_the_very_file_that_was_opened(check, tmp_path):
    (tmp_path / "more" / "d").mkdir(parents=True)
    (tmp_path / "more" / "d" / "1.nft").write_text("# fine\ndefine a = 22\n", encoding="utf-8")
    (tmp_path / "more" / "d" / "2.nft").write_text("\ndefine 22\n", encoding="utf-8")
    for name in ("d/*.nft", "d/2.nft"):
        lines = check(f'include "{name}"\n', options=["--include", "more"])[1]
        assert (lines[0].split(" ")[0], lines[1]) == ("more/d/2.nft:2:8:", "    define 22")


def test_what_an_included_file_says_of_whole_rules(check, tmp_path):
    main = 'table inet t {\n chain c {\n  include "near.nft"\n }\n}\n'
    (tmp_path / "near.nft").write_text("accept\njump nosuch\n", encoding="utf-8")
    assert check(main)[1][0].startswith("near.nft:2:1: error: jump to nosuch")
    (tmp_path / "near.nft").write_text("accept\nmasquerade\n", encoding="utf-8")
    lines = check(main, options=["--unsupported", "ignore"])[1]
    assert lines[0].startswith("near.nft:2: warning: masquerade is not supported")
    lines = check(main, options=["--unsupported", "ignore", "--json"])[1]
    assert (json.loads(lines[0])["file"], json.loads(lines[0])["line"]) == ("near.nft", 2)


FINDING_KEYS = ["type", "file", "line", "level", "kind", "message", "place"]
UNSUPPORTED = GOOD.replace("tcp dport 22", "fib daddr type local tcp dport 22")


def test_what_nft_knows_and_the_library_does_not(check):
    status, lines, _ = check(UNSUPPORTED)
    assert (status, ": error: " in lines[0]) == (1, True)
    assert lines[0].endswith(" (--unsupported ignore leaves such things out)")
    status, lines, _ = check(UNSUPPORTED, options=["--unsupported", "ignore"])
    assert (status, lines[0].startswith("1.nft:5: warning: fib ")) == (0, True)
    assert lines[0].endswith(" [unsupported]")
    options = ["--unsupported", "ignore", "--json"]
    assert list(json.loads(check(UNSUPPORTED, options=options)[1][0])) == FINDING_KEYS


def test_standard_input(monkeypatch, capsys):
    file = io.BytesIO(GOOD.encode())
    monkeypatch.setattr(sys, "stdin", type("Standard", (), {"buffer": file}))
    assert main(["check", "-"]) == 0
    assert capsys.readouterr().out == "standard input: 2 rules in 1 chain, no findings\n"


def test_files_that_cannot_be_read(check, tmp_path, capsys):
    assert main(["check", "missing.nft"]) == 2
    words = "statefulinspect: missing.nft: No such file or directory\n"
    assert capsys.readouterr() == ("", words)
    (tmp_path / "latin.nft").write_bytes(b"# caf\xe9\n")
    assert main(["check", "latin.nft"]) == 2
    assert capsys.readouterr().err == "statefulinspect: latin.nft: is no text in UTF-8\n"
    assert check(GOOD, options=["missing.nft"])[0] == 2


def test_without_lark_one_line_says_what_to_install(check, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("statefulinspect.rules.lang")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lark", None)
    words = "statefulinspect: reading rules needs lark: pip install 'statefulinspect[rules]'"
    assert check(GOOD) == (2, [], [words])


def test_any_other_missing_module_is_not_hidden(check, monkeypatch):
    def parse(*_, **__):
        raise ModuleNotFoundError(name="numbers")

    monkeypatch.setattr(Ruleset, "parse", parse)
    with pytest.raises(ModuleNotFoundError):
        check(GOOD)


def test_the_example_is_without_findings(capsys):
    path = RULESETS / "office.nft"
    assert main(["check", "--strict", str(path)]) == 0
    assert capsys.readouterr().out.endswith(", no findings\n")


@pytest.mark.parametrize("command", ["check", "test"])
def test_help(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert "exit status" in out
    assert "examples:" in out
