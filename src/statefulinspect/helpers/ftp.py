"""Read FTP control connections: where the next transfer will go (RFC 959, RFC 2428).

Before each transfer the client tells where it listens (PORT, EPRT), or asks the server to tell
where that one does (answers 227 and 229). Either way one TCP connection is to come, from the other
end of the control connection to the address and port that were told. The address must be the
teller's own, for an FTP server could be made to connect to anybody else's (RFC 2577, the bounce
attack).

A command is looked for at the start of a segment that begins where a line ended before: for each
direction the two latest sequence numbers just behind a newline are remembered. So the first thing
that either side says is never read, nor are words within the data of another line. A command cut
off by the end of its segment makes Linux drop the segment, in the hope that it comes again whole.
"""

from __future__ import annotations

import re
from typing import Callable, Final, Mapping, NamedTuple  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import TCP
from statefulinspect.helpers.ftp_grammar import (
    Told,
    read_eprt,
    read_epsv_answer,
    read_pasv_answer,
    read_port,
)
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, Outcome, Refuse
from statefulinspect.seqnum import M32, after
from statefulinspect.terms import Reason

# With what a client may begin, once the server has greeted (RFC 959, 2228, 2389, 2640, 7151).
FIRST_WORDS: Final = frozenset(
    (b"USER", b"HOST", b"AUTH", b"FEAT", b"CLNT", b"OPTS", b"LANG", b"SYST", b"HELP", b"NOOP")
)
GREETING: Final = re.compile(rb"[0-9]{3}[ -]")
NEWLINE: Final = b"\n"
LONGEST_LINE: Final = 512  # octets of a line that are kept for its end
NO_LINE: Final = (-1, b"")  # no sequence number equals it


class Command(NamedTuple):
    """Hold one word that announces a transfer, and what reads the rest of its line."""

    word: bytes
    read: Callable[[bytes, int], Told | None]


COMMANDS: Final = (
    (Command(b"PORT", read_port), Command(b"EPRT", read_eprt)),
    (Command(b"227 ", read_pasv_answer), Command(b"229 ", read_epsv_answer)),
)  # by direction: the client's, the server's


@attrs.define
class LineEnds:
    """Remember, for each direction, up to two sequence numbers just behind a newline.

    `begun` is a line whose end is still to come, and the sequence number where it goes on. `heard`
    tells which direction has said something.
    """

    seen: tuple[list[int], list[int]] = attrs.field(factory=lambda: ([], []))
    begun: list[tuple[int, bytes]] = attrs.field(factory=lambda: [NO_LINE, NO_LINE])
    heard: list[bool] = attrs.field(factory=lambda: [False, False])

    def starts_line(self, is_reply: int, seq: int) -> bool:
        """Say whether a segment that begins here begins a line."""
        return seq in self.seen[is_reply]

    def note(self, is_reply: int, seq: int) -> None:
        """Remember another, in place of the older one if there are two and this is newer."""
        ends = self.seen[is_reply]
        if seq in ends:
            return
        if len(ends) < 2:
            ends.append(seq)
            return
        older = 0 if after(ends[1], ends[0]) else 1
        if after(seq, ends[older]):
            ends[older] = seq


class FtpHelper:
    """Expect the data connections of FTP.

    `loose` lets a command name another host than its sender. `reassembles` puts together lines
    that are split over segments, instead of refusing the pieces.
    """

    name = "ftp"
    protocols = frozenset({TCP})
    families = frozenset({4, 6})
    policies: Mapping[str, Policy] = {"": Policy(1, 300.0)}

    def __init__(self, *, loose: bool = False, reassembles: bool = False) -> None:
        self._loose = loose
        self._reassembles = reassembles

    def begin(self) -> LineEnds:
        """Remember no line ends yet."""
        return LineEnds()

    def suspects(self, message: Message) -> bool:
        """Say whether the client speaks first, or either end begins as none does in FTP."""
        ends, is_reply = message.memory, message.side.is_reply
        assert isinstance(ends, LineEnds)
        if ends.heard[is_reply]:
            return False
        ends.heard[is_reply] = True
        if is_reply:
            return GREETING.match(message.payload) is None
        return not ends.heard[1] or message.payload[:4].upper() not in FIRST_WORDS

    def read(self, message: Message) -> Outcome:
        """Announce the transfer that a command tells of; refuse a command that breaks off."""
        if not message.payload:
            return NOTHING
        ends, is_reply = message.memory, message.side.is_reply
        assert isinstance(ends, LineEnds)
        next_seq = (message.seq + len(message.payload)) & M32
        line, begins = message.payload, ends.starts_line(is_reply, message.seq)
        if self._reassembles:
            goes_on_at, begun = ends.begun[is_reply]
            if goes_on_at == message.seq:
                line, begins = begun + line, True
            is_begun = begins and NEWLINE not in line and len(line) <= LONGEST_LINE
            ends.begun[is_reply] = (next_seq, line) if is_begun else NO_LINE
            if is_begun:
                return NOTHING
        outcome = self._read_line(message, line) if begins else NOTHING
        if line.endswith(NEWLINE) and not isinstance(outcome, Refuse):
            ends.note(is_reply, next_seq)
        return outcome

    def _read_line(self, message: Message, line: bytes) -> Outcome:
        family = 4 if len(message.sender) == 4 else 6
        for command in COMMANDS[message.side.is_reply]:
            size = len(command.word)
            start = line[:size].upper()
            if len(line) <= size and command.word.startswith(start):
                return Refuse(Reason.HELPER_PARTIAL)
            if start == command.word:
                told = command.read(line[size:], family)
                return (
                    Refuse(Reason.HELPER_MALFORMED) if told is None else self._expect(message, told)
                )
        return NOTHING

    def _expect(self, message: Message, told: Told) -> Outcome:
        """Announce what was told, if it is the teller's own address."""
        address = message.sender if told.address is None else told.address
        if address != message.sender and not self._loose:
            return NOTHING
        return (Announce(TCP, address, told.port, source=message.receiver),)
