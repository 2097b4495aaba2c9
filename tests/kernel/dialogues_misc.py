"""TFTP, IRC, Amanda, SANE and NetBIOS dialogues to disagree about: right lines, and many nearly.

The NetBIOS one is for a kernel whose own machine is the client: it reads no forwarded queries.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import builders
from kernel.dialogue import UDP, Dialogue
from kernel.talks import Ends, Packet, say
from statefulinspect import Tracker

PORTS = [1025, 1026, 2000, 5000, 65535, 80, 1, 0, 65536, 70_000, 65536 + 2000]
BLANKS = [b" "] * 12 + [b"", b"  ", b"\t", b"\n", b"   "]
QUERY = (
    bytes.fromhex("0001 0110 0001 0000 0000 0000") + b" CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0!\0\1"
)


def spoiled(dice: random.Random, line: bytes, alphabet: bytes) -> bytes:
    """Change, add or leave out an octet, seldom."""
    if not line or dice.random() < 0.85:
        return line
    at, width = dice.randrange(len(line)), dice.choice([0, 1, 1, 2])
    return line[:at] + bytes(dice.choices(alphabet, k=dice.randrange(3))) + line[at + width :]


class TftpDialogue(Dialogue):
    """Ask to read and write, also from the server's side; and say what is no request."""

    helper, port, protocol = "tftp", 69, UDP

    def script(self) -> Iterator[tuple[int, bytes]]:
        while True:
            yield int(self.dice.random() < 0.3), self.line()

    def line(self) -> bytes:
        dice = self.dice
        code = dice.choice([1, 1, 1, 2, 2, 3, 4, 5, 0, 256, 257, 512])
        rest = dice.choice([b"file\0octet\0", b"f\0", b"", b"\0", bytes(600)])
        return spoiled(dice, code.to_bytes(2, "big") + rest, b"\0\1\2\3f")


class IrcDialogue(Dialogue):
    """Offer direct connections, in a dozen ways that are nearly right."""

    helper, port = "irc", 6667

    def script(self) -> Iterator[tuple[int, bytes]]:
        yield from [(0, b"NICK a\r\n"), (1, b":server 001 a :Welcome\r\n")]
        while True:
            if self.dice.random() < 0.15:
                yield self.dice.randrange(2), b"PRIVMSG #room :hello there, all of you\r\n"
            else:
                yield int(self.dice.random() < 0.1), self.line()

    def line(self) -> bytes:
        dice = self.dice
        head = self._mostly(b"PRIVMSG ", b"privMsg ", b"NOTICE ", b"\r\n PRIVMSG ", b"\tPRIVMSG ")
        whom = self._mostly(b"bob", b"", b"b", b" b", b"#a :b", b"b" * dice.randrange(3990, 4070))
        mark = self._mostly(b" :\1DCC ", b" :\1dcc ", b": \1DCC ", b" :DCC ", b" : \1DCC ")
        word = dice.choice(
            [b"SEND", b"CHAT", b"MOVE", b"TSEND", b"SCHAT"] * 4
            + [b"RESUME", b"send", b"ACCEPT", b"SEND SEND", b"CHAT\t", b"SCHA"]
        )
        name = dice.choice([b"f", b"f.txt", b"chat", b"", b"a b", b"f\n", b'"a b"', b"\0" * 9])
        port = self._mostly(
            b"5000", b"%d" % dice.choice(PORTS), b"", b"x", b"0x50", b"+5", b"00080"
        )
        tail = self._mostly(b"\1\r\n", b"\n", b"\r\n", b" 99\1\n", b"x\n", b"", b"\r", b"\1 \n\n\n")
        blanks = dice.choices(BLANKS, k=3)
        said = [
            head,
            whom,
            mark,
            word,
            blanks[0],
            name,
            blanks[1],
            self._address(),
            blanks[2],
            port,
        ]
        line = spoiled(dice, b"".join([*said, tail]), b" :\1\r\n0159xDSC\0")
        return line + line if dice.random() < 0.03 else line

    def _mostly(self, right: bytes, *wrong: bytes) -> bytes:
        return right if self.dice.random() < 0.85 else self.dice.choice(wrong)

    def _address(self) -> bytes:
        own = int(ip_address(self.ends.client)) % (1 << 32)
        peer = int(ip_address(self.ends.server)) % (1 << 32)
        others = [peer, own + 1, own + (1 << 32), own + (1 << 64), own + (1 << 31), 0]
        number = b"%d" % (own if self.dice.random() < 0.85 else self.dice.choice(others))
        return self._mostly(number, b"0" + number, number + b"x", b"0x%x" % own, b"", b"-" + number)


class AmandaDialogue(Dialogue):
    """Offer streams in any order, with ports that are nearly right."""

    helper, port, protocol = "amanda", 10080, UDP

    def script(self) -> Iterator[tuple[int, bytes]]:
        yield 0, b"Amanda 2.3 REQ HANDLE 000-0 SEQ 1\nSECURITY USER amanda\n"
        while True:
            is_reply = int(self.dice.random() < 0.8)
            yield is_reply, b"" if self.dice.random() < 0.05 else self.line()

    def line(self) -> bytes:
        dice = self.dice
        words = [b"DATA", b"MESG", b"INDEX", b"STATE"][: dice.choice([1, 2, 3, 3, 3, 4, 4])]
        if dice.random() < 0.2:
            dice.shuffle(words)
        words += dice.choices([b"DATA", b"data", b"MESG", b"X"], k=dice.choice([0, 0, 0, 1]))
        offered = b" ".join(word + dice.choice(BLANKS) + self._port() for word in words)
        head = dice.choice([b"", b"", b"Amanda 2.3 REP HANDLE 000-0 SEQ 1\n", b"DATA 1026 "])
        connect = dice.choice([b"CONNECT "] * 9 + [b"CONNECT", b"connect ", b"CONNECT \n", b""])
        tail = dice.choice(
            [b"\n"] * 8 + [b"", b"\r\n", b"x\n", b"\nOPTIONS ;\n", b"\nCONNECT DATA 9\n"]
        )
        return spoiled(dice, head + connect + offered + tail, b" \r\n0159xCDAT\0")

    def _port(self) -> bytes:
        wrong = [b"", b"x", b"1x", b"+1", b"0x10", b"00001", b"000001", b"123456", b"99999"]
        wrong += [b"%d" % port for port in PORTS]
        right = b"%d" % self.dice.randrange(1024, 1034)
        return right if self.dice.random() < 0.85 else self.dice.choice(wrong)


class SaneDialogue(Dialogue):
    """Start, answer, and say things of other sizes in between."""

    helper, port = "sane", 6566

    def script(self) -> Iterator[tuple[int, bytes]]:
        while True:
            is_reply = self.dice.randrange(2)
            yield is_reply, self._answer() if is_reply else self._call()

    def _call(self) -> bytes:
        dice = self.dice
        code = dice.choice([7] * 6 + [0, 1, 6, 8, 7 << 24, 0x0107])
        size = dice.choice([8] * 8 + [0, 1, 4, 7, 9, 12, 16])
        return (code.to_bytes(4, "big") + dice.choice([bytes(12), b"\0\0\0\7" * 3]))[:size]

    def _answer(self) -> bytes:
        dice = self.dice
        status = dice.choice([0] * 12 + [1, 7, 1 << 24, 1 << 8])
        port = dice.choice([1025, 1026, 5000, 5000, 5000, 0, 65535, 65536, 1 << 24 | 5000])
        words = status.to_bytes(4, "big") + port.to_bytes(4, "big")
        words += dice.choice([bytes(8), b"\0\0\0\7" * 2])
        return words[: dice.choice([8, 12, 16] * 4 + [0, 1, 4, 6, 7, 9])]


class NetbiosNsDialogue(Dialogue):
    """Ask a network of 256 addresses, or a machine of it; and answer from some machine."""

    helper, port, protocol = "netbios-ns", 137, UDP

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        asker = dice.choice(["10.0.1.1", "10.0.1.1", "10.0.1.5"])
        asked = dice.choice(["10.0.1.255"] * 4 + ["10.0.1.9", "10.0.1.0", "10.0.255.255"])
        super().__init__(dice, Ends(asker, asked, dice.choice([137, 137, 138, ends.number])))

    def script(self) -> Iterator[tuple[int, bytes]]:
        while True:
            yield 0, self.dice.choice([QUERY, QUERY, b"", b"x"])

    def attempt(self, tracker: Tracker) -> Packet | None:
        """Answer from somewhere in the network, or from outside it."""
        dice, expected = self.dice, list(tracker.expectations)
        if not expected:
            return None
        one = dice.choice(expected)
        network = ip_network("10.0.1.0/24" if dice.random() < 0.9 else "10.0.2.0/24")
        way = {
            "source": str(network[dice.choice([9, 10, 11, 254])]),
            "destination": builders.address(one.destination),
        }
        ports = dice.choice([137, 137, 137, 138]), one.destination_port
        return say("udp", builders.udp(*ports, b"answer", **way), 0, ports=ports, **way)


DIALOGUES = [TftpDialogue, IrcDialogue, AmandaDialogue, SaneDialogue]
