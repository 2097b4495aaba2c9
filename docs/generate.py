"""Write the pages that are made from the code: states, reasons, selectors, the command line.

python docs/generate.py            writes them
python docs/generate.py --check    names those that differ, and exits with 1 if any does
"""

from __future__ import annotations

import argparse
import sys
from enum import IntEnum
from pathlib import Path
from typing import Callable, Iterable  # noqa: UP035 - Python 3.9

from statefulinspect import Config, Reason
from statefulinspect.cli.arguments import COMMANDS
from statefulinspect.cli.options import PROGRAM
from statefulinspect.fsm import BOTH, NoTransition, Row, cells_of
from statefulinspect.machines.request_reply import ROWS as PAIR_ROWS
from statefulinspect.machines.sctp_table import ROWS as SCTP_ROWS
from statefulinspect.machines.tcp_table import ROWS as TCP_ROWS
from statefulinspect.machines.tcp_table import TcpEvent, TcpState
from statefulinspect.rules.engine.readers import SETTLED
from statefulinspect.rules.words.header_parts import EXTENSION_NUMBERS
from statefulinspect.rules.words.selectors import SELECTORS, Selector
from statefulinspect.terms import Direction, Effect

DOCS = Path(__file__).parent
PROFILES = {"Config()": Config(), "Config.linux()": Config.linux()}
MADE = "<!-- Made by docs/generate.py; change the code, not this page. -->\n"

OPENING = {"NONE", "SYN_SENT", "SYN_SENT2", "SYN_RECV", "ESTABLISHED"}
CLOSING = {"ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT"}
SCTP_OPENING = {"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED"}
SCTP_CLOSING = {"CLOSED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT"}
SCTP_HEARTBEAT = {"NONE", "HEARTBEAT_SENT", "ESTABLISHED", "SHUTDOWN_ACK_SENT", "COOKIE_WAIT"}
RESETS = {"SYN_SENT", "ESTABLISHED", "TIME_WAIT", "CLOSE"}


def name_of(outcome: IntEnum | NoTransition) -> str:
    """Write a state or the lack of one."""
    return outcome.name


def way_of(row: Row) -> str:
    """Write the directions of a row."""
    return "both" if len(row.directions) == 2 else row.directions[0].value


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def diagram(rows: Iterable[Row], states: set[str]) -> str:
    """Draw the moves between some states; what stays in its state is in the table only."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        ends = row.state.name, name_of(row.becomes)
        if ends[0] != ends[1] and set(ends) <= states:
            way = "" if len(row.directions) == 2 else f" {row.directions[0].value}"
            arrows.setdefault(ends, []).append(f"{row.event.name}{way}")
    lines = [f"    {a} --> {b}: {', '.join(labels)}" for (a, b), labels in arrows.items()]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def rows_table(rows: Iterable[Row]) -> str:
    """Write the rows as they stand in the code."""
    return table(
        ("in state", "direction", "event", "becomes", "because"),
        (
            (row.state.name, way_of(row), row.event.name, name_of(row.becomes), row.because)
            for row in rows
        ),
    )


def grid(direction: Direction) -> str:
    """Write the whole table of one direction; what no row names is INVALID."""
    cells = cells_of(TCP_ROWS)

    def cell(state: TcpState, event: TcpEvent) -> str:
        row = cells.get((direction, state, event))
        return "-" if row is None else name_of(row.becomes)

    rows = ((state.name, *(cell(state, event) for event in TcpEvent)) for state in TcpState)
    return table(("state", *(event.name for event in TcpEvent)), rows)


def timeouts(prefixes: tuple[str, ...]) -> str:
    """Write the seconds of both profiles for the fields that begin so."""
    fields = [
        field for field in Config().timeouts.__attrs_attrs__ if field.name.startswith(prefixes)
    ]
    return table(
        ("timeout", *(f"`{profile}`" for profile in PROFILES)),
        (
            (
                f"`{field.name}`",
                *(f"{getattr(c.timeouts, field.name):g}" for c in PROFILES.values()),
            )
            for field in fields
        ),
    )


def tcp_page() -> str:
    """Write states/tcp.md."""
    return f"""{MADE}
# TCP

The states are seen from the middle: the tracker knows what each side sent, not what arrived.
IGNORE lets a segment pass and learns nothing; a cell without a row is INVALID (`OUT_OF_STATE`).

## Opening

{diagram(TCP_ROWS, OPENING)}
## Closing

{diagram(TCP_ROWS, CLOSING)}
## Resets, and ports used again

Every state but NONE goes to CLOSE on a reset; three stand for all.

{diagram(TCP_ROWS, RESETS)}
## The rows

{rows_table(TCP_ROWS)}
## The whole table

From the side of the first packet (ORIGINAL):

{grid(BOTH[0])}
From the other side (REPLY):

{grid(BOTH[1])}
What depends on more than state and event stands in `machines/tcp.py` and the rooms beside it: a SYN
in TIME_WAIT or CLOSE opens a new connection only if an end has closed the old one, or its sender
has reset it (else it is ignored); a SYN/ACK that answers an ignored SYN re-synchronises; an ACK in
LAST_ACK that answers an ignored SYN changes nothing; a simultaneous open also ends with an ACK from
the answering side.

## Seconds to live

{timeouts(("tcp_",))}
`tcp_max_retrans` and `tcp_unacknowledged` cut a longer life short: when the same segment keeps
coming, a window stays closed, or data stays unacknowledged.
"""


def sctp_page() -> str:
    """Write states/sctp.md."""
    return f"""{MADE}
# SCTP

Each chunk of a packet is one event, and the chunks are taken in turn. A chunk without a row leaves
the state as it is; from NONE it opens nothing (`SCTP_NOT_AN_OPENING`). `INVALID` refuses the packet
(`OUT_OF_STATE`).

## Opening

{diagram(SCTP_ROWS, SCTP_OPENING)}
## Closing

{diagram(SCTP_ROWS, SCTP_CLOSING)}
## A heartbeat that is seen first

{diagram(SCTP_ROWS, SCTP_HEARTBEAT)}
## The rows

{rows_table(SCTP_ROWS)}
Entering ESTABLISHED is what `[ASSURED]` shows. What needs memory stands in `machines/sctp.py` and
`machines/sctp_tags.py`: which verification tag each chunk must carry, which INIT ACK answers which
INIT, and heartbeats whose tag is doubted until they are acknowledged.

## Seconds to live

{timeouts(("sctp_",))}"""


def request_reply_page() -> str:
    """Write states/request_reply.md."""
    return f"""{MADE}
# Requests and replies

UDP, UDP-Lite, GRE, ICMP and ICMPv6 queries, and every protocol known by its number only. LATE is a
packet more than two seconds after the connection's first, for UDP; for UDP-Lite and GRE every
packet is LATE; for the others none is, so they never become a STREAM. STREAM is what `[ASSURED]`
shows.

{diagram(PAIR_ROWS, {"UNREPLIED", "REPLIED", "STREAM"})}
{rows_table(PAIR_ROWS)}
## Seconds to live

{timeouts(("udp", "gre", "icmp", "generic"))}
`udp` and `gre` hold for UNREPLIED and REPLIED, `udp_stream` and `gre_stream` for STREAM; UDP-Lite
has UDP's.
"""


def reasons_page() -> str:
    """Write reasons.md."""
    parts = [
        f"## {effect.name}: {effect.value}\n\n"
        + table(
            ("reason", "why"),
            ((f"`{reason.name}`", reason.value) for reason in Reason if reason.effect is effect),
        )
        for effect in Effect
    ]
    title = (
        "# Reasons\n\nWhy a verdict is what it is, by what happens to the packet's connection. No\n"
        "verdict has a reason of REOPEN: the packet opens a new connection, and gets that one's.\n"
    )
    return f"{MADE}\n{title}\n" + "\n".join(parts)


SELECTOR_GROUPS = (
    ("meta", "What is known beside the bytes", ("meta ",)),
    ("ct", "The packet's connection", ("ct ",)),
    ("ip", "IPv4 and IPv6 headers", ("ip ", "ip6 ")),
    ("th", "Transport headers", ("tcp ", "udp ", "udplite ", "sctp ", "dccp ", "th ", "gre ")),
    ("icmp", "Messages", ("icmp ", "icmpv6 ", "igmp ")),
    ("ipsec", "IPsec and compression", ("ah ", "esp ", "comp ")),
    ("exthdr", "IPv6 extension headers", ("exthdr ", *(f"{each} " for each in EXTENSION_NUMBERS))),
    ("options", "Options", ("tcp option ", "ip option ")),
)


def group_of(text: str) -> str:
    """Tell which group a selector belongs to: that of its longest beginning."""
    starts = [(start, name) for name, _, each in SELECTOR_GROUPS for start in each]
    return max((start, name) for start, name in starts if text.startswith(start))[1]


def needed(selector: Selector) -> str:
    """Write what a selector needs of the packet."""
    parts = []
    for text, allowed in selector.needs:
        kind = SELECTORS[text].type
        values = ", ".join(kind.show(each) for each in sorted(allowed))
        parts.append(f"`{text}` {values}")
    return "; ".join(parts) or "-"


def selectors_page() -> str:
    """Write everything that a rule can look at."""
    parts = [
        f"## {title}\n\n"
        + table(
            ("selector", "type", "bits", "needs", "kept"),
            (
                (f"`{each}`", each.type.name, each.bits, needed(each),
                 "yes" if each.text in SETTLED else "no")
                for each in SELECTORS.values()
                if group_of(each.text) == name
            ),
        )
        for name, title, _ in SELECTOR_GROUPS
    ]  # fmt: skip
    title = (
        "# Selectors\n\nEverything that a [rule](rules.md) can look at, beside raw payloads "
        "(`@nh`, `@th` with offset and\nsize in bits) and TCP options by number "
        "(`tcp option 42`, `tcp option @42,16,8`). What a selector\nneeds nft adds to the rule by "
        "itself: where it does not hold the rule does not match. *kept* says\nthat packets of one "
        "side of a connection have it in common, so that a verdict that rests on it is\nkept.\n"
    )
    return f"{MADE}\n{title}\n" + "\n".join(parts)


def option_row(action: argparse.Action) -> tuple[str, str]:
    """Write one option or argument of a command, and what its help says of it."""
    choices = "" if action.choices is None else f"{{{','.join(action.choices)}}}"
    value = f" {action.metavar or choices}" if action.nargs != 0 else ""
    names = ", ".join(action.option_strings)
    return f"`{(names + value).strip()}`", (action.help or "") % vars(action)


def command_line_page() -> str:
    """Write what each command does, and the options it has."""
    parts = []
    for command in COMMANDS:
        parser = argparse.ArgumentParser(add_help=False)
        command.add_options(parser)
        actions = parser._actions  # noqa: SLF001 - argparse has no other way to list them
        options = table(("option", "meaning"), map(option_row, actions))
        text = f"```text\n{command.EPILOG}```\n"
        parts.append(f"## {command.NAME}\n\n{command.DESCRIPTION}\n{options}\n{text}")
    title = (
        f"# The command line\n\n`{PROGRAM} COMMAND --help` says the same. It needs the extra "
        "`cli`, and where it is given\nrules as text, the extra `rules`: `pip install "
        "'statefulinspect[cli,rules]'`.\n"
    )
    return f"{MADE}\n{title}\n" + "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "states/tcp.md": tcp_page,
    "states/request_reply.md": request_reply_page,
    "states/sctp.md": sctp_page,
    "reasons.md": reasons_page,
    "selectors.md": selectors_page,
    "command_line.md": command_line_page,
}


def stale_pages() -> list[str]:
    """Name the pages that differ from what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != page()
    ]


def main() -> int:
    """Write or check."""
    if "--check" in sys.argv[1:]:
        stale = stale_pages()
        print(
            "\n".join(f"{name} is stale: run python docs/generate.py" for name in stale) or "fresh"
        )
        return 1 if stale else 0
    for name, page in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
