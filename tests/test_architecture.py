"""The house: imports point strictly down, files answer one question, functions fit a glance."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "statefulinspect"
LEVELS = [
    {"terms", "seqnum", "checks", "flowkey", "wheel", "extensions", "crc32c"}
    | {"ipv4_options", "line"},
    {"networks"},
    {"dos", "limits"},
    {"config", "fsm", "zones", "fragment_queue", "rules.fields", "machines.sctp_tags"},
    {"packet", "listing"},
    {"decoding", "checksums", "rules.model", "machines.tcp_table", "machines.sctp_table"},
    {"connection", "rules.matcher", "helpers.statements", "screening"},
    {"helpers.model"},
    {
        "conntable",
        "events",
        "machines.tcp_segment",
        "machines.request_reply",
        "machines.sctp_chunks",
    },
    {"helpers.ftp_grammar", "helpers.pptp_messages", "helpers.gre_keys", "expectation"}
    | {"fragments"}
    | {"helpers.amanda", "helpers.irc", "helpers.netbios_ns"}
    | {"helpers.sane", "helpers.tftp"},
    {"helpers.ftp", "helpers.pptp", "expecttable"},
    {"helpers.sip_address"},
    {"helpers.sip_message"},
    {"helpers.sdp"},
    {"helpers.sip_reading"},
    {"helpers.sip"},
    {"machines.tcp_window", "machines.tcp_memory", "machines.tcp_reset", "machines.icmp"}
    | {"machines.udp", "machines.sctp"},
    {"machines.tcp_in_order"},
    {"machines.tcp_timers"},
    {"machines.tcp"},
    {"machines", "helpers"},
    {"obedience", "lookup"},
    {"sources"},
    {"capacity"},
    {"assistance", "answers"},
    {"judge"},
    {"defragment"},
    {"tracker"},
    {""},
]
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms} | {
    "rules": 0,
}
WIRE_READERS = {"decoding", "machines.tcp_segment"}
AMBIENT = {"time", "random", "socket", "os", "threading", "logging", "datetime", "secrets"}
LONGEST_FILE, LONGEST_FUNCTION = 250, 60


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


ROOMS = {room_of(path): path for path in SOURCE.rglob("*.py") if "cli" not in path.parts}
TREES = {room: ast.parse(path.read_text(encoding="utf-8")) for room, path in ROOMS.items()}


def imports(room: str) -> set[str]:
    """The modules that a room imports, by their full names."""
    names: set[str] = set()
    for node in ast.walk(TREES[room]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {f"statefulinspect.{each}" for each in ROOMS}
            names |= (submodules & known) or {node.module}
    return names


def own(names: set[str]) -> set[str]:
    prefix = "statefulinspect"
    return {name[len(prefix) + 1 :] for name in names if name.split(".")[0] == prefix}


def test_every_room_has_its_level():
    assert set(ROOMS) == set(LEVEL)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_imports_point_strictly_down(room):
    for imported in own(imports(room)):
        assert LEVEL[imported] < LEVEL[room], f"{room} imports {imported}"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_nothing_ambient_is_imported(room):
    modules = {name.split(".")[0] for name in imports(room)}
    assert not modules & AMBIENT
    assert "dpkt" not in modules or room == "packet"
    called = {n.func.id for n in ast.walk(TREES[room]) if isinstance(n, ast.Call)
              and isinstance(n.func, ast.Name)}  # fmt: skip
    assert not called & {"open", "print", "input"}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_struct_reads_the_wire_only(room):
    for node in ast.walk(TREES[room]):
        if isinstance(node, ast.Import) and any(alias.name == "struct" for alias in node.names):
            assert room in WIRE_READERS
        if isinstance(node, ast.ImportFrom) and node.module == "struct":
            assert [alias.name for alias in node.names] == ["error"]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_back_doors(room):
    names = {node.id for node in ast.walk(TREES[room]) if isinstance(node, ast.Name)}
    assert "TYPE_CHECKING" not in names


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_sizes(room):
    lines = ROOMS[room].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    for node in ast.walk(TREES[room]):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION + docstring_lines(node), (
                node.name
            )


def docstring_lines(node: ast.FunctionDef) -> int:
    return len((ast.get_docstring(node) or "").splitlines())


def test_functions_fit_a_glance():
    """Half of them under 10 lines of code, nine in ten under 30."""
    sizes = sorted(
        node.end_lineno - node.lineno + 1 - docstring_lines(node)
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    )
    assert sizes[len(sizes) // 2] < 10
    assert sizes[len(sizes) * 9 // 10] < 30


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_design_page_names_every_room(room):
    name = room.rpartition(".")[2]
    page = SOURCE.parent.parent.joinpath("docs", "design.md").read_text()
    assert not name or re.search(rf"`(\w+/)?{name}[`/]", page), f"{room} is not named there"
