"""Which words `statefulinspect replay` understands."""

from __future__ import annotations

import argparse
from typing import Final

import attrs

from statefulinspect.cli.options import (
    RulesReading,
    Setup,
    Way,
    add_reading,
    add_setup,
    add_way,
    reading_of,
    setup_of,
    way_of,
)

NAME: Final = "replay"
MOST_DIGITS: Final = 18  # of a packet's number
PIPED: Final = f"{NAME} -"  # how it reads standard input
HELP: Final = "play a capture to the connection tracker"
DESCRIPTION: Final = """\
Play a pcap or pcapng capture to the connection tracker. For each packet, say what it is to the
tracker (new, established, related, invalid, untracked), which way it goes, what the rules decide,
and why if it is not as usual; then list the connections left as `conntrack -L` does, and totals.
"""
EPILOG: Final = """\
Without --inside and --rules, only invalid packets are dropped. The rules are nft's, as text or as
`nft -j list ruleset` prints them. FTP is read on port 21; with --linux nothing is, unless a rule or
--helper says so. Packets that the capture has cut are judged by their headers, except with --linux,
which verifies checksums and so calls them invalid. A capture taken on the machine that sent the
packets often has wrong checksums; --linux tells. Where that machine left it to its network card to
cut TCP's data into segments, and so 0 for the length in the IP header, the frame tells the length.

Frames may be Ethernet, Linux cooked, raw IP or BSD loopback; what is behind PPPoE or MPLS, and what
has another link type beside these, is not IP. VLAN tags and the interfaces of the capture are not
looked at.

examples:
  statefulinspect replay office.pcap
  statefulinspect replay --inside 10.0.1.0/24 --inside fd00:1::/64 office.pcap
  statefulinspect replay --rules office.nft --iif lan0 --oif wan0 office.pcap
  statefulinspect replay --rules /etc/nftables.conf --hook input --trace 17 office.pcap
  statefulinspect replay --linux --helper 21=ftp office.pcap
  statefulinspect replay --json --linux office.pcap | jq 'select(.ct_state == "invalid")'
  tcpdump -U -w - | statefulinspect replay -

^C ends a replay: with what is left, the totals, and exit status 130.

exit status: 0; 2 if the capture or the rules cannot be read to the end, or the arguments are wrong
"""


@attrs.frozen
class ReplayOptions:
    """Hold what the user asked for."""

    file: str
    inside: tuple[str, ...]
    rules: str
    reading: RulesReading
    way: Way
    setup: Setup
    is_json: bool
    is_quiet: bool
    shows_events: bool
    traced: frozenset[int]


def options_of(found: argparse.Namespace) -> ReplayOptions:
    """Collect what the user asked for."""
    return ReplayOptions(
        file=found.file,
        inside=tuple(found.inside),
        rules=found.rules or "",
        reading=reading_of(found),
        way=way_of(found),
        setup=setup_of(found),
        is_json=found.json,
        is_quiet=found.quiet,
        shows_events=found.events,
        traced=frozenset(found.trace),
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", metavar="FILE", help="the capture; - reads standard input")
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument(
        "--inside",
        metavar="CIDR",
        action="append",
        default=[],
        help="let only this prefix open connections, and others only answer; may be repeated",
    )
    rules.add_argument("--rules", metavar="RULES", help="judge by the rules of this file")
    add_reading(parser)
    add_way(parser)
    add_setup(parser)
    parser.add_argument(
        "--events",
        action="store_true",
        help="print what happens to connections too, as `conntrack -E` does",
    )
    parser.add_argument(
        "--trace",
        metavar="NUMBER",
        action="append",
        default=[],
        type=_number,
        help="print how the packet of this number goes through the rules; may be repeated",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a line, for programs"
    )
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="print no packets, only events, what is left and totals",
    )


def _number(word: str) -> int:
    """Read the number of a packet."""
    if not (word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS and int(word)):
        msg = f"{word!r}: expected the number of a packet; they count from 1"
        raise argparse.ArgumentTypeError(msg)
    return int(word)
