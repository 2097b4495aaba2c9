"""SIP messages and SDP descriptions to disagree about: right ones, and some that are nearly so.

How often a word is another than the right one is `odds`; 0 makes messages that all understand.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from kernel.talks import Ends

BLANKS = [b"", b"  ", b"\t", b"\r\n ", b"\n\t", b" \r\n  ", b"\r\n", b"\r\n \r\n "]
ENDS = [b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\n\r", b"", b"\r\n\n", b"\r\r\n", b"\r\n ", b"\r\n\t"]
OCTETS = b'\r\n \t:;,@=.0159aAmMcCvVlL<>[]"\0\xe9\xff'
PORTS = [4000, 4001, 4002, 4004, 5000, 5060, 6000, 1024, 65534]
STRANGE_PORTS = [b"0", b"1", b"80", b"1023", b"65535", b"65536", b"70000", b"4294971296", b"",
                 b"x", b"04000", b"00000004000", b"000000004000", b"-1", b"4000x", b"4000/2",
                 b" 4000"]  # fmt: skip
LIFETIMES = [b"600", b"60", b"90", b"1000", b"0", b"30"]
STRANGE_LIFETIMES = [b"0", b"x", b"", b"60x", b'"60"', b"00000000060", b"000000000060",
                     b"99999999999", b"4294967296"]  # fmt: skip
STRANGE4 = [b"10.0.1.300", b"10.0.1.02", b"host", b"", b"10.0.1.2.3", b"0.0.0.0", b"fd00:1::2",
            b"010.000.001.002", b"10.0.9.9"]  # fmt: skip
STRANGE6 = [b"::1", b"::", b"::ffff:10.0.1.2", b"10.0.1.2", b"fd00:1:0:0:0:0:2::", b"fd00:9::9"]
VIA = b"Via: SIP/2.0/UDP 10.0.1.2:5060;branch=z9hG4bK1"
OTHER_HEADERS = [VIA, b"From: <sip:a@10.0.1.2>;tag=1", b"To: <sip:b@10.0.2.2>", b"Max-Forwards: 70",
                 b"Call-ID: 1@10.0.1.2", b"Content-Type: application/sdp"]  # fmt: skip


class Line(NamedTuple):
    """Say what a message is: its first line, the method and number in its CSeq."""

    start: bytes
    method: bytes
    number: int


class Writer:
    """Write messages for either side; `transport` is b"tcp" or b"udp"."""

    def __init__(self, dice: random.Random, ends: Ends, transport: bytes, odds: float) -> None:
        self.dice, self.ends, self.transport, self.odds = dice, ends, transport, odds
        self.is_v6 = ":" in ends.client

    def mostly(self, right: bytes, *wrong: bytes) -> bytes:
        return right if self.dice.random() >= self.odds else self.dice.choice(wrong)

    def likely(self, chance: float) -> bool:
        return self.dice.random() < chance

    def end(self) -> bytes:
        return self.mostly(b"\r\n", *ENDS)

    def blank(self) -> bytes:
        return self.mostly(b" ", *BLANKS)

    def own(self, is_reply: int) -> bytes:
        return self.ends.way(is_reply)["source"].encode()

    def address(self, is_reply: int) -> bytes:
        """Write the sender's address, or one that is not, or nearly none."""
        own, other = self.own(is_reply), self.own(1 - is_reply)
        strange = [own + b".", own[:-1], own + b"x", own + b"a", b"[" + own + b"]", own + b"/24"]
        if self.is_v6:
            strange += [*STRANGE6, own.upper(), own.replace(b"::", b":0:0:0:0:0:"), own + b":"]
            strange += [own.replace(b"::", b"::0:"), b":" + own, own + b"%1", own + b"::"]
            strange += [own.replace(b"fd00", b"0fd00"), own.replace(b"::", b"::0.0.0.")]
        else:
            strange += [*STRANGE4, b"0" + own]
        return self.mostly(own, other, other, other, *strange)

    def port(self) -> bytes:
        return self.mostly(b"%d" % self.dice.choice(PORTS), *STRANGE_PORTS)

    def lifetime(self) -> bytes:
        return self.mostly(self.dice.choice(LIFETIMES), *STRANGE_LIFETIMES)

    def request(self, is_reply: int, method: bytes, number: int, *, media: bool = True) -> bytes:
        """Write a request of one side."""
        word = self.mostly(
            method, method.lower(), method.title(), method + b"X", b" " + method, method[:-1]
        )
        gap = self.mostly(b" ", b"", b"  ", b"\t")
        whom = self.mostly(b"sip:b@10.0.2.2 SIP/2.0", b"x", b"", b"1", b"\xe9", b"[x]")
        line = Line(word + gap + whom + self.end(), method, number)
        return self.message(is_reply, line, of=is_reply, media=media)

    def answer(self, is_reply: int, line: tuple[int, bytes, int], *, media: bool = True) -> bytes:
        """Write one side's answer, with a code, to a method and number of the other's."""
        code, method, number = line
        version = self.mostly(b"SIP/2.0", b"sip/2.0", b"SIP/3.0", b"SIP/2.0 ", b"SIP")
        told = self.mostly(
            b"%d" % code, b"0", b"99", b"1000", b"x", b"", b"0200", b"00000000200",
            b"000000000200", b"4294967296", b"299", b"300",
        )  # fmt: skip
        start = version + self.mostly(b" ", b"", b"\t", b"  ") + told
        start += self.mostly(b" OK", b"", b"x", b"\0") + self.end()
        asker = 1 - is_reply if method == b"REGISTER" else is_reply
        return self.message(is_reply, Line(start, method, number), of=asker, media=media)

    def message(self, is_reply: int, line: Line, *, of: int, media: bool) -> bytes:
        """Put a message together; its contacts are `of` one side."""
        body = self.description(is_reply) if media else b""
        head = self.headers(of, line.method, line.number)
        if self.transport == b"tcp" or self.likely(0.3):
            size = self.length(body)
            head = head + size if self.likely(0.9) else size + head
        blank = self.mostly(b"\r\n", b"", b"\n", b"\r", b"\r\n\r\n", b"x\r\n")
        return line.start + head + blank + body

    def length(self, body: bytes) -> bytes:
        size, dice = len(body), self.dice
        told = self.mostly(
            b"%d" % size, b"0", b"x", b"", b"%d" % max(0, size - dice.randrange(60)), b"0%d" % size,
            b"%d" % (size + dice.choice([1, 2, 10, 200])), b"4294967290",
        )  # fmt: skip
        name = self.mostly(
            dice.choice([b"Content-Length", b"l"]), b"content-length", b"L", b"Content-Length ",
            b"Content-Lengthx", b"ll", b"l1",
        )  # fmt: skip
        return name + b":" + self.blank() + told + self.end()

    def headers(self, of: int, method: bytes, number: int) -> bytes:
        dice = self.dice
        lines = [each + self.end() for each in OTHER_HEADERS if self.likely(0.3)]
        if self.odds == 0 or self.likely(0.98):
            lines.append(self.cseq(method, number))
        if method == b"REGISTER" or self.likely(0.1):
            lines += self.contacts(of)
        if self.likely(0.7 if method == b"REGISTER" else 0.05):
            name = self.mostly(b"Expires", b"expires", b"Expires ", b"EXPIRES", b"ExpiresX", b"e")
            lines.append(name + b":" + self.blank() + self.lifetime() + self.end())
        if self.likely(0.15):
            dice.shuffle(lines)
        return b"".join(lines)

    def cseq(self, method: bytes, number: int) -> bytes:
        right = b"%d" % number
        return b"".join(
            [
                self.mostly(b"CSeq", b"cseq", b"CSEQ", b"CSeq ", b"CSeqX", b"xCSeq", b"CSeq\r\n "),
                self.mostly(b":", b"", b" :", b": :"),
                self.blank(),
                self.mostly(right, b"0", b"x", b"", right + b" ", b"0" + right, b"-1",
                            b"4294967296", b"4294967295", b"00000000001", b"000000000001"),
                self.mostly(b" ", b"", b"  ", b"\t", b"\r\n ", b"x", b"\n", b"\0"),
                self.mostly(method, method.lower(), method[:-1], method + b"X", b"INVITE", b"BYE"),
                self.end(),
            ]
        )  # fmt: skip

    def contacts(self, of: int) -> list[bytes]:
        """Write up to three contacts, in one header or in several."""
        dice, lines = self.dice, []
        left = dice.choice([0] + [1] * 12 + [2] * 4 + [3])
        while left:
            together = dice.choice([1, 1, 1, left])
            left -= together
            comma = self.mostly(b",", b", ", b" , ", b"\r\n ,", b",\r\n ", b";", b" ")
            name = self.mostly(
                dice.choice([b"Contact", b"Contact", b"m"]), b"contact", b"M", b"CONTACT",
                b"Contact ", b"m ", b"Contacts", b"mm", b"m-x", b"m\r\n ", b"X",
            )  # fmt: skip
            value = comma.join(self.contact(of) for _ in range(together))
            lines.append(
                name + self.mostly(b":", b"", b" :", b";") + self.blank() + value + self.end()
            )
        return lines

    def contact(self, of: int) -> bytes:
        if self.likely(self.odds / 3):
            return self.dice.choice([b"*", b"", b"x", b"<>", b"<tel:1>", b'"a,b" <sip:x@y>'])
        uri = self.uri(of)
        if self.likely(0.25):
            other = [b"tcp", b"udp", b"UDP", b"TCP", b"sctp", b"", b" udp", b"udpx", b"ud"]
            uri += b";transport=" + self.mostly(self.transport, *other)
        if self.likely(0.8):
            uri = self.mostly(
                b"<" + uri + b">", b"<" + uri, uri + b">", b'"Ann" <' + uri + b">", b"Ann " + uri
            )
        if self.likely(0.5):
            uri += self.mostly(b";", b"; ", b" ;", b"\r\n ;", b"\r\n  ;", b",")
            names = [b"Expires=", b"expires =", b"expires= ", b"xexpires=", b"q=1;expires="]
            uri += self.mostly(b"expires=", *names) + self.lifetime()
        return uri

    def uri(self, of: int) -> bytes:
        whose = 1 - of if self.likely(0.03) else of
        host = self.address(whose)
        if self.is_v6:
            host = self.mostly(b"[" + host + b"]", host, b"[" + host, host + b"]")
        port = b"" if self.likely(0.5) else b":" + self.mostly(
            self.dice.choice([b"5060", b"5070", b"6000"]), b"80", b"1023", b"1024", b"65535",
            b"65536", b"", b"x", b"05060", b"005060", b" 5060", b"5060x", b"5060:1",
        )  # fmt: skip
        users = [b"", b"a:b@", b"@", b"a@b@", b"a b@", b"+49;x=y@", b'"a"@', b"a\r\n @", b"a,b@"]
        schemes = [b"SIP:", b"sips:", b"tel:", b"sip", b"xsip:", b"sip: "]
        return self.mostly(b"sip:", *schemes) + self.mostly(b"ann@", *users) + host + port

    def description(self, is_reply: int) -> bytes:
        """Write up to five media."""
        dice, lines = self.dice, []
        if self.likely(0.97):
            lines.append(
                self.mostly(b"v=0", b"V=0", b"v=1", b"v=x", b"v= 0", b"v=", b"w=0") + self.end()
            )
        if self.likely(0.5):
            lines.append(b"o=- 1 1 IN IP4 10.0.1.2" + self.end() + b"s=-" + self.end())
        if self.likely(0.8):
            lines.append(self.connection(is_reply))
        for _ in range(dice.choice([0, 1, 1, 1, 2, 2, 3, 4, 5])):
            lines += [self.medium()]
            if self.likely(0.4):
                lines.append(b"a=rtpmap:0 PCMU/8000" + self.end())
            if self.likely(0.3):
                lines.append(self.connection(is_reply))
        if self.likely(self.odds / 2):
            dice.shuffle(lines)
        return b"".join(lines)

    def medium(self) -> bytes:
        kinds = [b"audio"] * 4 + [b"video"] * 3 + [b"image"] * 2 + [b"text"]
        strange = [b"Audio", b"audiox", b"", b"x", b"audi\xf6", b"image2", b"au-dio"]
        return b"".join(
            [
                self.mostly(b"m=", b"M=", b"m= ", b"m =", b" m=", b"m:"),
                self.mostly(self.dice.choice(kinds), *strange),
                self.mostly(b" ", b"", b"  ", b"\t", b"\r\n "),
                self.port(),
                self.mostly(b" RTP/AVP 0", b"", b" x", b"\t", b"/2 RTP/AVP 0"),
                self.end(),
            ]
        )

    def connection(self, is_reply: int) -> bytes:
        network = b"IN IP6 " if self.is_v6 else b"IN IP4 "
        strange = [b"in ip4 ", network[:-1], b"IN  IP4 ", b"IN IP6 ", b"IN IP4 ", b"x " + network]
        return b"".join(
            [
                self.mostly(b"c=", b"C=", b"c =", b"c= ", b"c:", b" c="),
                self.mostly(network, *strange, b"\t" + network),
                self.address(is_reply),
                self.mostly(b"", b"/127", b" x", b"\0", b"%"),
                self.end(),
            ]
        )

    def spoiled(self, octets: bytes) -> bytes:
        """Change, add, leave out or move octets."""
        dice = self.dice
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            at, to = sorted(dice.randrange(len(octets) + 1) for _ in range(2))
            to = min(to, at + dice.choice([0, 0, 1, 1, 1, 30]))
            some = bytes(dice.choices(OCTETS, k=dice.randrange(3)))
            octets = octets[:at] + dice.choice([some, some, octets[at:to].swapcase()]) + octets[to:]
            if self.likely(0.2):
                octets = octets[dice.randrange(len(octets) + 1) :][:60] + octets
        return octets
