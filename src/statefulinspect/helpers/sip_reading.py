"""What SIP messages say one after another: which follow from each, and what has to be remembered.

The methods that read say whether Linux lets the message pass.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from statefulinspect.flowkey import TCP, UDP
from statefulinspect.helpers.model import Message
from statefulinspect.helpers.sdp import read_media
from statefulinspect.helpers.sip_message import (
    LETTER,
    SHORTEST,
    Contact,
    is_port,
    read_contacts,
    read_cseq,
    read_expires,
    read_number,
    split_messages,
)
from statefulinspect.helpers.statements import (
    Activate,
    Announce,
    AnnouncePair,
    Remember,
    Renew,
    Statement,
    Withdraw,
)

LIFE: Final = 3600.0  # seconds that the control connection is kept for each packet
SIGNALLING: Final = ("signalling",)
MEDIA: Final = ("audio", "video", "image")
TRANSPORTS: Final = {TCP: b"tcp", UDP: b"udp"}

REQUEST: Final = re.compile(
    rb"(INVITE|UPDATE|PRACK|ACK|BYE|REGISTER) [" + LETTER + rb"]", re.IGNORECASE
)
ANSWER: Final = re.compile(rb"SIP/2\.0 ", re.IGNORECASE)
ANSWERED: Final = re.compile(rb"INVITE|UPDATE|PRACK|REGISTER", re.IGNORECASE)


@attrs.define
class Progress:
    """Remember the numbers of the latest INVITE and REGISTER, and the contact registered last.

    `has_begun` says that the client has begun as SIP clients do.
    """

    invite: int = 0
    register: int = 0
    registered: tuple[bytes, int] | None = None
    has_begun: bool = False


@attrs.define
class SipReading:
    """Hold how far a packet is read: what is remembered by now, and all that was said."""

    message: Message
    progress: Progress
    said: list[Statement] = attrs.field(factory=lambda: [Renew(LIFE)])

    @property
    def protocol(self) -> int:
        """Give the protocol of the control connection."""
        return self.message.connection.protocol

    @property
    def family(self) -> int:
        """Give the IP version."""
        return 4 if len(self.message.sender) == 4 else 6

    def split(self) -> list[bytes]:
        """Give the SIP messages of the packet."""
        payload = self.message.payload
        if self.protocol == TCP:
            return list(split_messages(payload))
        return [payload] if len(payload) >= SHORTEST else []

    def read(self, octets: bytes) -> bool:
        """Read one SIP message."""
        answer, request = ANSWER.match(octets), REQUEST.match(octets)
        if answer:
            code = read_number(octets, answer.end())
            return self._read_answer(octets, code) if code else False
        return not request or self._read_request(octets, request[1].upper())

    def _read_request(self, octets: bytes, method: bytes) -> bool:
        cseq = read_cseq(octets)
        if cseq is None:
            return False
        if method == b"REGISTER":
            return self._register(octets, cseq.number)
        if method in (b"INVITE", b"BYE"):
            self.said.append(Withdraw(MEDIA))
        if method == b"BYE":
            return True
        may_pass = self._describe(octets)
        if method == b"INVITE" and may_pass:
            self._remember(attrs.evolve(self.progress, invite=cseq.number))
        return may_pass

    def _read_answer(self, octets: bytes, code: int) -> bool:
        cseq = read_cseq(octets)
        if cseq is None:
            return False
        method = ANSWERED.match(octets, cseq.method_at)
        if not method:
            return True
        if method.group().upper() == b"REGISTER":
            return cseq.number != self.progress.register or self._conclude(octets, code)
        if 100 <= code <= 299:
            return self._describe(octets)
        if cseq.number == self.progress.invite:
            self.said.append(Withdraw(MEDIA))
        return True

    def _describe(self, octets: bytes) -> bool:
        """Announce the media that the sender wants to receive."""
        for medium in read_media(octets, self.family):
            if not is_port(medium.port) or medium.address is None:
                return False
            if medium.address == self.message.sender:
                self._announce_pair(medium.kind, medium.port)
        return True

    def _announce_pair(self, kind: str, port: int) -> None:
        """Announce the data and the control of one medium."""
        to, source = self.message.sender, self.message.receiver
        data = Announce(UDP, to, port & ~1, source=source, kind=kind, may_be_known=True)
        control = attrs.evolve(data, destination_port=port | 1)
        self.said.append(AnnouncePair(data, control, told_port=port))

    def _register(self, octets: bytes, number: int) -> bool:
        """Announce calls to where the sender wants to be reached, for when that is granted."""
        if self.message.connection.master is not None:
            return True
        sender = self.message.sender
        contact = next(read_contacts(octets, self.family), None)
        if contact is None or not self._concerns(contact, sender):
            return True
        lifetime = contact.lifetime(read_expires(octets))
        if lifetime is None:
            return False
        progress = attrs.evolve(self.progress, register=number)
        if lifetime:
            self._announce_calls(contact.port)
            progress = attrs.evolve(progress, registered=(sender, contact.port))
        self._remember(progress)
        return True

    def _announce_calls(self, port: int) -> None:
        self.said.append(
            Announce(
                self.protocol,
                self.message.sender,
                port,
                source=self.message.receiver,
                kind="signalling",
                is_permanent=True,
                is_inactive=True,
                helper="sip",
            )
        )

    def _conclude(self, octets: bytes, code: int) -> bool:
        """Let calls come for as long as it is granted; forget them if it is not."""
        if 100 <= code <= 199:
            return True
        lifetime = self._granted(octets) if 200 <= code <= 299 else 0
        if lifetime is None:
            return False
        self.said.append(Activate("signalling", lifetime) if lifetime else Withdraw(SIGNALLING))
        return True

    def _granted(self, octets: bytes) -> int | None:
        """Tell how long the contact registered last may be called; None if that cannot be read."""
        receiver, default = self.message.receiver, read_expires(octets)
        for contact in read_contacts(octets, self.family):
            if not self._concerns(contact, receiver):
                continue
            lifetime = contact.lifetime(default)
            if not lifetime or (receiver, contact.port) == self.progress.registered:
                return lifetime
        return 0

    def _concerns(self, contact: Contact, address: bytes) -> bool:
        """Say whether a contact is at an address, and reached as this connection is."""
        return contact.address == address and contact.may_use(TRANSPORTS[self.protocol])

    def _remember(self, progress: Progress) -> None:
        self.progress = progress
        self.said.append(Remember(progress))
