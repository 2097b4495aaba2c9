"""The house: imports go up the rows of docs/design.md, functions fit a glance.

That page's table is the one list of rooms there is, and its order is held to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "statefulinspect"
PAGE = SOURCE.parent.parent / "docs" / "design.md"
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


def rooms_in(cell: str) -> Iterator[str]:
    """The rooms that a cell of the table names; a folder holds for the names after it, too."""
    folder = ""
    for name, colon in re.findall("`([^`]+)`(:?)", cell):
        head, slash, tail = name.rpartition("/")
        folder = f"{head}." if slash else folder
        if tail:
            yield (folder + tail).replace("/", ".")
        elif not colon:
            yield head.replace("/", ".")


LINES = PAGE.read_text(encoding="utf-8").splitlines()
ROWS = [list(rooms_in(line.split("|")[1])) for line in LINES if line.startswith("| `")]
ROW_OF = {room: number for number, row in enumerate(ROWS) for room in row}
SENTENCES = {room for room, tree in TREES.items() if len(tree.body) == 1}  # packages with no code
DOOR = ""


def test_the_design_page_names_every_room_once():
    named = sorted(room for row in ROWS for room in row)
    assert named == sorted((set(ROOMS) - SENTENCES - {DOOR}) | {"cli"})


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {DOOR}))
def test_imports_come_from_the_same_row_or_from_one_above(room):
    for imported in own(imports(room)):
        assert ROW_OF[imported] <= ROW_OF[room], f"{room} imports {imported}"


def test_no_way_of_imports_leads_back():
    """Else TopologicalSorter raises CycleError, and tells the way."""
    order = TopologicalSorter({room: own(imports(room)) for room in ROOMS}).static_order()
    assert set(order) == set(ROOMS)


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
