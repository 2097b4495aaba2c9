"""FTP dialogues to disagree about: commands and answers, most of them right, many nearly."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from kernel.dialogue import Dialogue

OTHER_LINES = [
    (1, b"220 ready\r\n"), (0, b"USER a\r\n"), (1, b"331 word?\r\n"), (0, b"NOOP\r\n"),
    (0, b"LIST\r\n"), (1, b"150 here\r\n226 done\r\n"), (1, b"200 ok\r\n"),
    (0, b"P"), (1, b"2"), (0, b"\n"), (1, b"\n"),
]  # fmt: skip


class FtpDialogue(Dialogue):
    """Say PORT, EPRT, 227 and 229 in all their forms, after a newline most of the time."""

    helper, port = "ftp", 21

    def script(self) -> Iterator[tuple[int, bytes]]:
        yield from [(1, b"220 ready\r\n"), (0, b"USER a\r\n"), (1, b"331 word?\r\n")]
        while True:
            dice = self.dice
            if dice.random() < 0.35:
                yield dice.choice(OTHER_LINES)
            else:
                is_reply = dice.randrange(2)
                yield is_reply, self._spoiled(self._command(is_reply))

    def _command(self, is_reply: int) -> bytes:
        """Draw a command of that side."""
        dice = self.dice
        port = dice.choice([1025, 1026, 2000, 65535, 80, 0, 70_000])
        if dice.random() < 0.5:
            numbers = self._six(is_reply, port)
            if is_reply:
                return (
                    dice.choice(
                        [
                            b"227 Entering (%s).\r\n",
                            b"227 =%s\r\n",
                            b"227 %s\r\n",
                            b"227 at 2 (%s)\r\n",
                            b"227-%s\r\n",
                        ]
                    )
                    % numbers
                )
            return (
                dice.choice(
                    [b"PORT %s\r\n"] * 5
                    + [b"port %s\r\n", b"PORTX %s\r\n", b"PORT  %s\r\n", b"PORT %s\n"]
                )
                % numbers
            )
        mark = dice.choice([b"|"] * 6 + [b"!", b"1", b" "])
        if is_reply:
            told = mark * 3 + b"%d" % port + mark
            return (
                dice.choice([b"229 Entering (%s)\r\n"] * 4 + [b"229 %s\r\n", b"229 (%s\r\n"]) % told
            )
        told = mark + self._family() + mark + self._address(is_reply) + mark + b"%d" % port + mark
        return (
            dice.choice([b"EPRT %s\r\n"] * 4 + [b"eprt %s\r\n", b"EPRT  %s\r\n", b"EPRT%s\r\n"])
            % told
        )

    def _family(self) -> bytes:
        right = b"2" if ":" in self.ends.client else b"1"
        return self.dice.choice([right] * 8 + [b"1", b"2", b"3"])

    def _address(self, is_reply: int) -> bytes:
        own = self.ends.way(is_reply)["source"]
        return self.dice.choice(
            [own] * 8 + ["10.0.1.251", "::1", "1.2.3", "300.0.1.2", "fd00::1%1"]
        ).encode()

    def _six(self, is_reply: int, port: int) -> bytes:
        own = self.ends.way(is_reply)["source"]
        packed = ip_address(own).packed if ":" not in own else bytes([10, 0, 1, 2])
        numbers = [*packed, port >> 8, port & 255]
        if self.dice.random() < 0.1:
            numbers[self.dice.randrange(6)] = self.dice.choice([0, 256, 300, 1 << 32, 1 << 33 | 10])
        words = [b"%d" % number for number in numbers]
        if self.dice.random() < 0.1:
            at = self.dice.randrange(6)
            words[at : at + 1] = self.dice.choice([[], [b""], [b"1", b"2"], [b" 1"], [b"x"]])
        return b",".join(words)

    def _spoiled(self, line: bytes) -> bytes:
        """Change an octet, seldom; or say something before or after."""
        dice = self.dice
        if dice.random() < 0.05:
            at = dice.randrange(len(line))
            line = line[:at] + bytes([dice.choice(b"\t\r\n ,.|()0129A")]) + line[at + 1 :]
        if dice.random() < 0.05:
            line = dice.choice([b"NOOP\r\n" + line, line + b"LIST\r\n", line + line])
        return line
