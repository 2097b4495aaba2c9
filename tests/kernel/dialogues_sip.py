"""SIP dialogues to disagree about: calls, registrations and answers, in order and out of it.

A second control connection between the same hosts, sometimes the other way round, announces the
same few ports. What a server may begin because a telephone has registered is read as well: it is a
dialogue of its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import builders
from kernel.dialogue import TCP, UDP, Dialogue
from kernel.sip_words import Writer
from kernel.talks import Ends, Packet
from statefulinspect import Tracker
from statefulinspect.helpers.sip_message import split_messages

Said = tuple[int, bytes]
TWIN = 4000  # between the ports of two control connections; no two dialogues beside each other
METHODS = [b"INVITE"] * 5 + [b"REGISTER"] * 6 + [
    b"UPDATE", b"PRACK", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"MESSAGE",
]  # fmt: skip
CODES = [100, 180, 183, 200, 200, 200, 200, 202, 302, 401, 404, 486, 600]
ODDS = [0, 0, 0.01, 0.03, 0.08, 0.15]
SPOILT = [0, 0, 0.05, 0.3]
CONTACTS = (
    b"sip: @ a , ,\x20 ; expires= 60 0 transport= udp tcp : 5060 6000 < > \x20 x * \" sip:host "
    b"<sip:a@OWN> <sip:a@OTHER> sip:a@OWN OWN OTHER <sip:OWN:6000>;expires=90"
).split(b" ")  # fmt: skip
HEADERS = [b"Contact: ", b"\r\nm: ", b"\r\nm:", b"\r\nContact:", b"\r\nExpires: 50", b"\r\n "]
MEDIA = [b"v=0", b"m=audio ", b"m=video ", b"m=text ", b"m=", b"c=", b"c=NET ", b"NET ", b"OWN",
         b"OTHER", b"4000", b"4001", b"5000", b"80", b"0", b" ", b"x", b"\0", b"m=audio 4000 x\r\n",
         b"\r\nm=video 5000\r\n", b"\nc=NET OWN", b"\r\nc=NET OWN\r\n", b"\r\nv=0\r\n"]  # fmt: skip
BROKEN_OFF = re.compile(rb"(?i)transport=(t|tc|u|ud)$")
BREAKS = [b"\r\n", b"\r\n", b"\n", b"\r", b"\n\t"]


class SipDialogue(Dialogue):
    """Call and register over UDP or TCP, IPv4 or IPv6."""

    helper = "sip"

    def __init__(
        self, dice: random.Random, ends: Ends, protocol: int | None = None, port: int = 5060
    ) -> None:
        is_first = protocol is None
        self.protocol = dice.choice([TCP, UDP]) if protocol is None else protocol
        self.port = port
        transport = {TCP: b"tcp", UDP: b"udp"}[self.protocol]
        self.writer = Writer(dice, ends, transport, dice.choice(ODDS))
        self.spoilt = dice.choice(SPOILT)
        super().__init__(dice, ends)
        self.others: list[SipDialogue] = []
        if is_first and dice.random() < 0.4:
            client, server = dice.choice([ends[:2], ends[:2], ends[1::-1]])
            twin = Ends(client, server, ends.number + TWIN)
            self.others = [SipDialogue(dice, twin, dice.choice([TCP, UDP]))]

    def next(self, tracker: Tracker) -> Packet:
        if self.others and self.dice.random() < 0.4:
            return self.dice.choice(self.others).next(tracker)
        return super().next(tracker)

    def attempt(self, tracker: Tracker) -> Packet | None:
        """Open what was announced; what the server begins is a control connection."""
        callable_ = [one for one in tracker.expectations if one.is_permanent]
        if callable_ and self.dice.random() < 0.2:
            one = self.dice.choice(callable_)
            ends = Ends(
                builders.address(one.source),
                builders.address(one.destination),
                self.dice.choice([5060, 7000, 7001]),
            )
            self.others.append(SipDialogue(self.dice, ends, one.protocol, one.destination_port))
        return super().attempt(tracker)

    def script(self) -> Iterator[Said]:
        dice = self.dice
        while True:
            lines = dice.choice([self._call, self._call, self._registration, self._any, self._soup])
            for is_reply, octets in lines(dice.randrange(2)):
                if dice.random() < 0.03:
                    continue
                yield from self._cut(is_reply, self._altered(is_reply, octets))

    def _altered(self, is_reply: int, octets: bytes) -> bytes:
        """Spoil a message, or let others follow in the same packet."""
        dice, joined = self.dice, 0.2 if self.protocol == TCP else 0.03
        while dice.random() < joined:
            octets += next(self._any(is_reply))[1]
        octets = self.writer.spoiled(octets) if dice.random() < self.spoilt else octets
        return b"" if self._breaks_off(octets) else octets

    def _breaks_off(self, octets: bytes) -> bool:
        """Say whether a message ends inside a transport's name: the kernel reads on behind it."""
        is_tcp = self.protocol == TCP
        return is_tcp and any(BROKEN_OFF.search(each) for each in split_messages(octets))

    def _cut(self, is_reply: int, octets: bytes) -> Iterator[Said]:
        """Say it, seldom in two pieces."""
        at = self.dice.randrange(len(octets) + 1) if self.dice.random() < 0.04 else len(octets)
        yield is_reply, octets[:at]
        if at < len(octets):
            yield is_reply, octets[at:]

    def _call(self, caller: int) -> Iterator[Said]:
        """Invite, answer, acknowledge, change, and end."""
        dice, writer, callee = self.dice, self.writer, 1 - caller
        number = dice.choice([1, 1, 2])
        yield caller, writer.request(caller, b"INVITE", number)
        for code in dice.choice([(100, 180), (100,), (183,), ()]):
            yield callee, writer.answer(callee, (code, b"INVITE", number), media=code == 183)
            if code == 183:
                yield caller, writer.request(caller, b"PRACK", number + 1)
                yield callee, writer.answer(callee, (200, b"PRACK", number + 1))
        code = dice.choice([200, 200, 200, 302, 404, 486])
        yield callee, writer.answer(callee, (code, b"INVITE", number), media=code == 200)
        yield caller, writer.request(caller, b"ACK", number, media=dice.random() < 0.3)
        if code == 200 and dice.random() < 0.5:
            yield callee, writer.request(callee, b"UPDATE", number)
            yield caller, writer.answer(caller, (200, b"UPDATE", number))
        if dice.random() < 0.6:
            yield callee, writer.request(callee, b"BYE", number + 2, media=False)
            yield caller, writer.answer(caller, (200, b"BYE", number + 2), media=False)

    def _registration(self, phone: int) -> Iterator[Said]:
        """Register, and be granted it most of the time."""
        dice, writer, server = self.dice, self.writer, 1 - phone
        number = dice.choice([1, 2, 3])
        yield phone, writer.request(phone, b"REGISTER", number, media=False)
        code = dice.choice([200] * 6 + [100, 202, 401, 600])
        number = number if dice.random() < 0.9 else 2
        yield server, writer.answer(server, (code, b"REGISTER", number), media=False)

    def _any(self, is_reply: int) -> Iterator[Said]:
        """Say any message."""
        dice, writer = self.dice, self.writer
        method, number = dice.choice(METHODS), dice.choice([1, 1, 1, 2, 2, 3])
        media = (method != b"REGISTER" and dice.random() < 0.8) or dice.random() < 0.02
        if dice.random() < 0.5:
            yield is_reply, writer.request(is_reply, method, number, media=media)
        else:
            line = dice.choice(CODES), method, number
            yield is_reply, writer.answer(is_reply, line, media=media)

    def _soup(self, is_reply: int) -> Iterator[Said]:
        """Say a message that begins right and ends in words by chance."""
        dice = self.dice
        code, number = dice.choice([200, 200, 200, 100, 401]), dice.choice([1, 1, 2])
        of, head = dice.choice(
            [
                (is_reply, b"REGISTER sip:x SIP/2.0\r\nCSeq: %d REGISTER" % number),
                (1 - is_reply, b"SIP/2.0 %d x\r\nCSeq: %d REGISTER" % (code, number)),
                (is_reply, b"INVITE x\r\nCSeq: 1 INVITE"),
                (is_reply, b"SIP/2.0 200 x\r\nCSeq: 1 INVITE"),
            ]
        )
        body = self._many_contacts() if b"REGISTER" in head else self._many_media()
        own, other = self.writer.own(of), self.writer.own(1 - of)
        network = b"IN IP6" if self.writer.is_v6 else b"IN IP4"
        if self.writer.is_v6 and b"REGISTER" in head:
            own, other = b"[" + own + b"]", b"[" + other + b"]"
        body = body.replace(b"OWN", own).replace(b"OTHER", other).replace(b"NET", network)
        if self.protocol == TCP:
            size = len(body) if dice.random() < 0.95 else dice.randrange(len(body))
            head += b"\r\nl: %d" % size
            head += b"" if b"REGISTER" in head else b"\r\n\r\n"
            body += b"\r\n\r\n" if b"REGISTER" in head else b""
        yield is_reply, head + body

    def _many_contacts(self) -> bytes:
        dice, said = self.dice, [b"\r\nExpires: 40"] if self.dice.random() < 0.7 else []
        said += [b"\r\nm: ", *dice.choices(CONTACTS * 2 + HEADERS + BREAKS, k=dice.randrange(14))]
        said += [dice.choice([b",", b", ", *HEADERS]), b"<sip:a@OWN>", *dice.choices(CONTACTS, k=4)]
        return b"".join(said)

    def _many_media(self) -> bytes:
        dice, said = self.dice, [b"\r\n\r\n"]
        said += [b"v=0\r\n"] if dice.random() < 0.9 else []
        said += [b"c=NET OWN\r\n"] if dice.random() < 0.6 else []
        return b"".join([*said, *dice.choices(MEDIA + BREAKS, k=dice.randrange(25))])
