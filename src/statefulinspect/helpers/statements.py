"""What a helper may say about a packet: the statements that the tracker then carries out.

They are carried out in their order, up to the first that cannot be: the packet is then dropped.
"""

from __future__ import annotations

from typing import Any, Final, Sequence, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.terms import Reason

ANY: Final = None  # in place of an address or a port: it does not matter


def _address(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is no address: text say, or an object of `ipaddress`."""
    is_any = value is ANY and field.default is ANY
    if not is_any and not (isinstance(value, bytes) and len(value) in (4, 16)):
        msg = f"{field.name}={value!r}: expected an address as 4 or 16 octets"
        raise TypeError(msg)


def _port(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is no port."""
    is_any = value is ANY and field.default is ANY
    if not is_any and not (isinstance(value, int) and 0 <= value <= 65_535):
        msg = f"{field.name}={value!r}: expected a number from 0 to 65535"
        raise ValueError(msg)


def _protocol(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is no number of a protocol."""
    if not (isinstance(value, int) and 0 <= value <= 255):
        msg = f"{field.name}={value!r}: expected a number from 0 to 255"
        raise ValueError(msg)


def _of_size(announced: Announce, field: attrs.Attribute[Any], value: bytes | None) -> None:
    """Refuse an address of the other IP version, which could never be met."""
    _address(announced, field, value)
    size = len(announced.destination)
    if value is not None and len(value) != size:
        msg = f"{field.name}={value!r}: expected {size} octets, as destination has"
        raise ValueError(msg)


def _kinds(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse a single word, which would be taken for several of one letter."""
    if not isinstance(value, tuple):
        msg = f"{field.name}={value!r}: expected a tuple of kinds"
        raise TypeError(msg)


def _reason(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is no reason."""
    if not isinstance(value, Reason):
        msg = f"{field.name}={value!r}: expected a Reason"
        raise TypeError(msg)


@attrs.frozen
class Announce:
    """Say: a connection like this is to come, and belongs to the one read.

    Addresses are wire octets, ports (GRE: keys) numbers from 0 to 65535; `source` and `source_port`
    may be ANY; of `source` only the bits in `source_mask` count, or all. `kind` is one of
    `Helper.policies`. A permanent expectation is not used up by its first connection, an inactive
    one waits for `Activate`. `helper` names the one that reads the expected connection. The first
    connection that fits one of a `group` withdraws the others of it. If it cannot be entered the
    packet is dropped, unless it `is_optional`; if it `may_be_known` it need not be entered where
    exactly the same is expected already, under another kind or by another connection.
    """

    protocol: int = attrs.field(validator=_protocol)
    destination: bytes = attrs.field(validator=_address)
    destination_port: int = attrs.field(validator=_port)
    source: bytes | None = attrs.field(default=ANY, validator=_of_size)
    source_port: int | None = attrs.field(default=ANY, validator=_port)
    source_mask: bytes | None = attrs.field(default=None, validator=_of_size)
    kind: str = ""
    is_permanent: bool = False
    is_inactive: bool = False
    helper: str | None = None
    group: str = ""
    may_be_known: bool = False
    is_optional: bool = False


@attrs.frozen
class AnnouncePair:
    """Say: two connections are to come. If the second cannot be entered the first is taken back.

    Neither need be entered where another connection, over the same protocol, has announced one
    like the first, of the same kind, to `told_port`.
    """

    first: Announce
    second: Announce
    told_port: int


@attrs.frozen
class AnnounceEach:
    """Say: these connections are to come, each whatever becomes of the others."""

    each: tuple[Announce, ...]


@attrs.frozen
class Withdraw:
    """Say: forget what was announced, of these kinds."""

    kinds: tuple[str, ...] = attrs.field(validator=_kinds)


@attrs.frozen
class Activate:
    """Say: inactive expectations of this kind hold from now on, for so many seconds."""

    kind: str
    timeout: float


@attrs.frozen
class Renew:
    """Say: the control connection lives for so many seconds from now."""

    timeout: float


@attrs.frozen
class MapKey:
    """Say: GRE packets from there to there with this call id have that source key.

    Addresses are wire octets. A packet of enhanced GRE carries only its receiver's call id; the
    source key is the sender's, which makes both directions one flow.
    """

    source: bytes
    destination: bytes
    call_id: int
    source_key: int


@attrs.frozen
class AnnounceCall:
    """Say: one of these connections is to come, and their packets have these keys.

    Announcements are entered in their order, then the keys. If something cannot be, what was
    entered before it is withdrawn (what it had taken the place of stays gone), and the packet
    passes all the same.
    """

    either: tuple[Announce, ...]
    keys: tuple[MapKey, ...]


@attrs.frozen
class UnmapKeys:
    """Say: forget the keys that were mapped."""


@attrs.frozen
class Sever:
    """Say: the connection that has this flow key, in either direction, is over.

    If there is none, withdraw what is expected under exactly this key, whoever announced it. A
    connection that is itself read by a helper stays.
    """

    protocol: int
    key: bytes


@attrs.frozen
class Remember:
    """Say: this is the connection's `memory` from now on, as all before it has been carried out."""

    memory: object


@attrs.frozen
class Refuse:
    """Say: drop this packet, because; but carry out what was said before."""

    reason: Reason = attrs.field(validator=_reason)
    before: tuple[Statement, ...] = ()


Statement = Union[
    Announce,
    AnnouncePair,
    AnnounceEach,
    Withdraw,
    Activate,
    Renew,
    AnnounceCall,
    UnmapKeys,
    Sever,
    Remember,
]
Outcome = Union[Sequence[Statement], Refuse]
NOTHING: Final[Outcome] = ()
