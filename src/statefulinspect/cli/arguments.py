"""Which words the command line understands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NoReturn

import attrs

PROGRAM: Final = "statefulinspect"
DESCRIPTION: Final = "Track connections as Linux does, in plain Python."
REPLAY: Final = """\
Play a pcap or pcapng capture to the connection tracker. For each packet, say what it is to the
tracker (new, established, related, invalid, untracked), which way it goes, what the rules decide,
and why if it is not as usual; then list the connections left as `conntrack -L` does, and totals.
"""
EPILOG: Final = """\
Without --inside, only invalid packets are dropped. FTP is read on port 21; with --linux
nothing is, unless --helper says so. Packets that the capture has cut are judged by their headers,
except with --linux, which verifies checksums and so calls them invalid. A capture taken on the
machine that sent the packets often has wrong checksums; --linux tells.

examples:
  statefulinspect replay office.pcap
  statefulinspect replay --inside 10.0.1.0/24 --inside fd00:1::/64 office.pcap
  statefulinspect replay --linux --helper 21=ftp office.pcap
  statefulinspect replay --json --linux office.pcap | jq 'select(.ct_state == "invalid")'
  tcpdump -w - | statefulinspect replay -

exit status: 0; 2 if the capture cannot be read to its end, or the arguments are wrong
"""


@attrs.frozen
class Options:
    """Hold what the user asked for."""

    file: str
    inside: tuple[str, ...]
    is_linux: bool
    is_json: bool
    is_quiet: bool
    shows_events: bool
    helpers: tuple[tuple[int, str], ...]


class OneLineParser(argparse.ArgumentParser):
    """Parse arguments, and complain in one line, as about everything else."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"{PROGRAM}: {message}; see {self.prog} --help\n")


def parse(words: Sequence[str] | None) -> Options:
    """Read the arguments; leaves the program for --help, --version and wrong ones."""
    found = _parser().parse_args(words)
    return Options(
        found.file,
        tuple(found.inside),
        found.linux,
        found.json,
        found.quiet,
        found.events,
        tuple(found.helper),
    )


def _helper(word: str) -> tuple[int, str]:
    """Read which helper reads connections to which port."""
    port, equals, name = word.partition("=")
    if not (equals and name and port.isascii() and port.isdigit() and int(port) <= 65_535):
        msg = f"{word!r}: expected PORT=NAME, as in 69=tftp"
        raise argparse.ArgumentTypeError(msg)
    return int(port), name


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog=PROGRAM, description=DESCRIPTION)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    replay = commands.add_parser(
        "replay",
        help="play a capture to the connection tracker",
        description=REPLAY,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_replay_options(replay)
    for each in (parser, replay):
        each.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    return parser


def _add_replay_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the capture; - reads standard input")
    parser.add_argument(
        "--inside",
        metavar="CIDR",
        action="append",
        default=[],
        help="let only this prefix open connections, and others only answer; may be repeated",
    )
    parser.add_argument(
        "--helper",
        metavar="PORT=NAME",
        action="append",
        default=[],
        type=_helper,
        help="have a helper read connections to this port, as in 69=tftp; may be repeated",
    )
    parser.add_argument(
        "--linux",
        action="store_true",
        help="be as Linux boots: its timeouts, loose pickup, checksums verified",
    )
    parser.add_argument(
        "--events",
        action="store_true",
        help="print what happens to connections too, as `conntrack -E` does",
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


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "(not installed)"
