"""The pages made from the code say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PAGES = [
    "command_line.md",
    "reasons.md",
    "selectors.md",
    "states/request_reply.md",
    "states/sctp.md",
    "states/tcp.md",
]


def load(monkeypatch, docs: Path):
    """Import docs/generate.py, which is a script, to write under another folder."""
    path = Path(__file__).parent.parent / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DOCS", docs)
    return module


def test_no_page_is_stale(monkeypatch):
    generate = load(monkeypatch, Path(__file__).parent.parent / "docs")
    assert sorted(generate.PAGES) == PAGES
    assert generate.stale_pages() == []


def test_check_names_what_differs(monkeypatch, tmp_path, capsys):
    generate = load(monkeypatch, tmp_path)
    monkeypatch.setattr("sys.argv", ["generate.py"])
    assert generate.main() == 0
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    assert generate.main() == 0
    (tmp_path / "reasons.md").write_text("something else")
    assert generate.main() == 1
    assert "reasons.md is stale" in capsys.readouterr().out


def test_the_readme_shows_what_its_first_command_prints(capsys):
    pytest.importorskip("rich")
    from statefulinspect.cli import main  # noqa: PLC0415 - not all have rich

    project = Path(__file__).parent.parent
    shown = (project / "README.md").read_text(encoding="utf-8").split("```text\n")[1]
    shown = shown.partition("```")[0].replace("...\n", "").splitlines()
    assert main(["replay", str(project / "tests/captures/office.pcap")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line in shown] == shown


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_empty_part(name):
    text = (Path(__file__).parent.parent / "docs" / name).read_text(encoding="utf-8")
    assert "\n\n\n" not in text
    assert "None" not in text
