"""The house: imports point strictly down, files answer one question, functions fit a glance."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "statefulinspect"
LEVELS = [
    {"flowkey", "helpers.digits", "portable"},
    {"checks", "crc32c", "extensions", "ipv4_options", "line", "rare", "seqnum"}
    | {"terms", "wheel"}
    | {"helpers.ftp_grammar", "helpers.pptp_messages", "helpers.sip_address"}
    | {"machines.side_flags"}
    | {"rules.errors"}
    | {"rules.engine.intervals", "rules.engine.segments"}
    | {"rules.words.headers", "rules.words.services", "rules.words.symbols"}
    | {"rules.words.reserved", "rules.words.symbols_notation"},
    {"fragment_queue", "fsm", "limits", "networks", "zones"}
    | {"rules.words.header_parts"}
    | {"helpers.sip_message", "helpers.statements"}
    | {"machines.sctp_tags", "machines.tcp_flags"}
    | {"rules.fields"}
    | {"rules.language.tree"}
    | {"rules.lint.ranges"}
    | {"rules.words.symbols_protocols", "rules.words.symbols_system"}
    | {"rules.words.symbols_time", "rules.words.symbols_types"},
    {"dos", "listing", "packet"}
    | {"helpers.sdp"}
    | {"machines.sctp_table", "machines.tcp_table"}
    | {"rules.building.nodes"}
    | {"rules.language.items", "rules.language.words"}
    | {"rules.syntax.stateful"}
    | {"rules.words.datatypes"},
    {"checksums", "config", "decoding"}
    | {"machines.sctp_chunks"}
    | {"rules.building.stateful"}
    | {"rules.language.errors", "rules.language.expressions", "rules.language.lexer"}
    | {"rules.syntax.constants"}
    | {"rules.words.selectors"},
    {"screening"}
    | {"rules.building.overlaps"}
    | {"rules.language.statements", "rules.language.variables"}
    | {"rules.lint.boxes"}
    | {"rules.syntax.expressions"},
    {"rules.building.values"} | {"rules.language.foreign"} | {"rules.syntax.statements"},
    {"rules.keywords"}
    | {"rules.building.protocols", "rules.building.sets"}
    | {"rules.language.blocks"}
    | {"rules.syntax.objects"},
    {"rules.rule"}
    | {"rules.building.drafts", "rules.building.objects", "rules.building.selectors"}
    | {"rules.language.commands", "rules.language.objects"}
    | {"rules.lint.matches"},
    {"connection"} | {"rules.building.expressions"} | {"rules.language.reading"} | {"rules.tables"},
    {"events", "linking", "sources", "unreplied"}
    | {"helpers.gre_keys", "helpers.model"}
    | {"machines.request_reply", "machines.sctp"}
    | {"machines.tcp_segment"}
    | {"rules.building.actions", "rules.building.chains", "rules.building.declarations"}
    | {"rules.building.matches", "rules.building.updates"}
    | {"rules.engine.walk"}
    | {"rules.lint.finding", "rules.lint.reach"},
    {"conntable", "expectation", "fragments"}
    | {"helpers.amanda", "helpers.ftp", "helpers.irc", "helpers.netbios_ns", "helpers.pptp"}
    | {"helpers.sane", "helpers.sip_reading", "helpers.tftp"}
    | {"machines.icmp", "machines.tcp_memory", "machines.tcp_reset"}
    | {"machines.tcp_timers", "machines.tcp_window"}
    | {"machines.udp"}
    | {"rules.building.additions", "rules.building.jsonform"}
    | {"rules.building.removals", "rules.building.statements"}
    | {"rules.engine.census", "rules.engine.readers_ct", "rules.engine.readers_meta"}
    | {"rules.engine.wire"}
    | {"rules.lint.cases"},
    {"capacity", "expecttable", "lookup", "sharding"}
    | {"helpers.sip"}
    | {"machines.tcp_prediction"}
    | {"rules.building.builder"}
    | {"rules.engine.memory", "rules.engine.readers"}
    | {"rules.lint.chains", "rules.lint.flow", "rules.lint.impossible", "rules.lint.shadows"},
    {"helpers", "obedience"}
    | {"machines.tcp_in_order"}
    | {"rules.ruleset"}
    | {"rules.engine.livesets", "rules.engine.setting"}
    | {"rules.lint.lint"},
    {"assistance"}
    | {"machines.tcp"}
    | {"rules.engine.comparing", "rules.engine.reading", "rules.engine.scope"},
    {"keeper", "machines"} | {"rules.engine.conditions", "rules.engine.updating"},
    {"provision", "validation"} | {"rules.engine.actions", "rules.engine.index"},
    {"rules.engine.program"},
    {"rules.engine.path"},
    {"rules.engine.filtering", "rules.engine.foretelling", "rules.engine.trace"},
    {"answers"},
    {"judge"},
    {"defragment", "openings", "rehearsal"},
    {"shortcut"},
    {"integrity"},
    {"tracked"},
    {"tracker"},
    {""},
]
PACKAGES = {"rules"} | {
    f"rules.{each}" for each in ("words", "syntax", "language", "building", "lint", "engine")
}
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
LEVEL.update(dict.fromkeys(PACKAGES, 0))  # they hold a sentence
COMMAND_LINE = {"cli", "__main__.py"}  # outside the house
WIRE_READERS = {"decoding", "flowkey", "machines.tcp_segment"}
AMBIENT = {"time", "random", "socket", "os", "threading", "logging", "datetime", "secrets"}
LONGEST_FILE, LONGEST_FUNCTION = 250, 60
WRITTEN_OUT = {("tracker", "process"): 100}  # the hot path: a call more costs it a tenth


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


ROOMS = {room_of(path): path for path in SOURCE.rglob("*.py") if not COMMAND_LINE & {*path.parts}}
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
            longest = WRITTEN_OUT.get((room, node.name), LONGEST_FUNCTION)
            assert node.end_lineno - node.lineno < longest + docstring_lines(node), node.name


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
