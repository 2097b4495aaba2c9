"""The words of an answer: what a packet is, what happens to it, and why.

Every packet gets a `Verdict`; its parts are the enums of this file. `CtState` and `Direction` say
what the packet is to the tracker, `Action` what the rules decide, and `Reason` names the cause.
Each reason carries an `Effect`, the one thing the tracker has to know about it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Action(Enum):
    """Tell what is to be done with a packet.

    ACCEPT it; DROP it silently; REJECT it, which is to answer its sender; HOLD it until the other
    fragments of its datagram are there, whose verdict is then its own (`Verdict.held`).

    >>> Action.ACCEPT.value
    'accept'
    """

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    HOLD = "hold"


class CtState(Enum):
    """Tell what a packet is to the tracker, in the words and the bits of `ct state` in nftables.

    >>> CtState("established") is CtState.ESTABLISHED
    True
    """

    value: str
    bit: int

    def __new__(cls, word: str, bit: int) -> CtState:
        """Make a member whose value is the word alone."""
        member = object.__new__(cls)
        member._value_ = word
        member.bit = bit
        return member

    NEW = "new", 8
    ESTABLISHED = "established", 2
    RELATED = "related", 4
    INVALID = "invalid", 1
    UNTRACKED = "untracked", 64


class Direction(Enum):
    """Tell whether a packet goes as the connection's first packet went, or against it.

    >>> Direction.REPLY.value
    'reply'
    """

    ORIGINAL = "original"
    REPLY = "reply"


class Effect(Enum):
    """Tell what a reason does to the connection that the packet belongs to."""

    ACCEPT = "counted, and the timer is renewed"
    IGNORE = "goes to the rules; not counted, and the timer runs on"
    END = "counted, and the connection is removed at once"
    REOPEN = "the connection is removed, and the packet opens a new one"
    RELATE = "goes to the rules as RELATED; the connection it speaks of is left as it was"
    EXEMPT = "UNTRACKED: never belongs to a connection"
    HOLD = "UNTRACKED as yet, and held: judged once its datagram is whole"
    BAR = "tracked, but dropped whatever the rules say, and opens nothing"
    REFUSE = "INVALID: belongs to no connection, and is not counted"
    DISCARD = "INVALID, and dropped whatever the rules say: by the IP layer, or as an attack"


_ACCEPT, _IGNORE, _END, _REOPEN, _RELATE, _EXEMPT, _HOLD, _BAR, _REFUSE, _DISCARD = Effect


class Reason(Enum):
    """Name the cause of a verdict; its value is the sentence that explains it.

    >>> Reason.ACK_ABOVE_SENT.value
    'acknowledges data that the other side never sent'
    >>> Reason.ACK_ABOVE_SENT.effect.name
    'REFUSE'
    """

    value: str
    effect: Effect

    def __new__(cls, sentence: str, effect: Effect) -> Reason:
        """Make a member whose value is the sentence alone."""
        member = object.__new__(cls)
        member._value_ = sentence
        member.effect = effect
        return member

    # fmt: off
    OK = "fits the connection", _ACCEPT

    SYN_REPEATED = "the SYN of an unanswered opening, sent again", _IGNORE
    SYN_CROSSED = "a SYN from the other end: both open at the same time", _IGNORE
    OUT_OF_STATE_IGNORED = "wrong for the state seen here, but maybe right for the ends", _IGNORE
    CHALLENGE_ACK = "the other end's challenge (RFC 5961) to a SYN in LAST_ACK", _IGNORE
    SEQ_JUST_ABOVE_WINDOW = "begins beyond the offered window, by less than its size", _IGNORE
    SEQ_BELOW_WINDOW = "repeats data that lies a whole window back", _IGNORE
    ACK_BELOW_WINDOW = "acknowledges data that was acknowledged long ago", _IGNORE
    INIT_REPEATED = "the INIT of an unanswered opening, sent again", _IGNORE
    HEARTBEAT_DOUBTED = "a heartbeat with another verification tag: maybe after a restart", _IGNORE

    RESET_UNANSWERED = "a reset ends a connection in which no reply was seen before", _END
    PORTS_REUSED = "a SYN opens a new connection on the ports of a finished one", _REOPEN
    ERROR_ABOUT_CONNECTION = "an ICMP error that quotes a packet of a tracked connection", _RELATE
    EXEMPT_BY_RULE = "a rule says notrack", _EXEMPT
    EXEMPT_ICMPV6 = "neighbour discovery or multicast listening, which is never tracked", _EXEMPT

    FRAGMENT_HELD = "waits for the other fragments of its datagram", _HOLD

    IPV4_OPTIONS = "IPv4 options that no router passes on: malformed, or a source route", _BAR
    HELPER_PARTIAL = "a command of a helped connection that breaks off in this packet", _BAR
    HELPER_MALFORMED = "a command of a helped connection that cannot be read", _BAR
    EXPECTATION_CLASH = "announces a connection that another one has announced", _BAR
    EXPECTATIONS_FULL = "announces a connection, and too many are expected, or were before it", _BAR
    TABLE_FULL = "the table is full of connections that have proven themselves", _BAR
    SOURCE_FULL = "its source has as many connections as it may have", _BAR
    SOURCE_TOO_FAST = "its source opens connections faster than it may", _BAR
    REPLY_TAKEN = "another connection's zone already has the reply direction", _BAR

    NOT_IP = "is neither IPv4 nor IPv6", _DISCARD
    IP_HEADER_MALFORMED = "the IP header is cut short or contradicts itself", _DISCARD
    IP_HEADER_CHECKSUM = "the IPv4 header checksum is wrong", _DISCARD
    IP_CUT_SHORT = "is shorter than its IP header says", _DISCARD
    GROUP_ADDRESS = "an IPv6 group as source, or one of scope 0 as destination", _DISCARD
    HOP_BY_HOP_MALFORMED = "IPv6 hop-by-hop options that every router discards", _DISCARD

    LAND = "comes from the very address, and port, that it goes to", _DISCARD
    SOURCE_UNSPECIFIED = "a source in 0.0.0.0/8, and does not ask for an address", _DISCARD
    SOURCE_LOOPBACK = "a loopback source, which no wire carries", _DISCARD
    SOURCE_GROUP = "an IPv4 group as source", _DISCARD
    SOURCE_RESERVED = "a source in 240.0.0.0/4: reserved, or the broadcast address", _DISCARD
    SOURCE_BROADCAST = "the broadcast address of a known network as source", _DISCARD
    SOURCE_MAPPED = "an IPv4-mapped IPv6 source, which no wire carries", _DISCARD
    TCP_NULL = "TCP without any flag, as scanners send", _DISCARD
    TCP_XMAS = "the TCP flags FIN, PSH and URG alone, as scanners send", _DISCARD
    TCP_SYN_FIN = "begins and ends a TCP connection at once", _DISCARD
    TCP_SYN_RST = "begins and resets a TCP connection at once", _DISCARD
    TCP_FIN_ALONE = "a TCP FIN without ACK, as scanners send", _DISCARD
    SMURF = "an echo request to a broadcast address or a group", _DISCARD
    PING_OF_DEATH = "a fragment that ends beyond octet 65535 of its datagram", _DISCARD
    FRAGMENT_TINY = "a first fragment without the whole transport header", _DISCARD
    FRAGMENT_IN_HEADER = "a fragment that begins within the transport header", _DISCARD

    FRAGMENT_REPEATED = "a fragment whose octets were all received before", _DISCARD
    FRAGMENT_OVERLAP = "overlaps received fragments; the datagram is dropped", _DISCARD
    FRAGMENT_HEADER = "an IPv6 fragment header that is cut short", _DISCARD
    FRAGMENT_EMPTY = "a fragment that carries nothing", _DISCARD
    FRAGMENT_END = "contradicts other fragments about where the datagram ends", _DISCARD
    FRAGMENTS_TOO_LONG = "makes a datagram of more than 65535 octets", _DISCARD
    FRAGMENTS_ECN = "completes a datagram of which parts are ECN-capable, and parts not", _DISCARD
    FRAGMENTS_FULL = "a fragment, and too many octets are held already", _DISCARD
    FRAGMENT_UNWANTED = "a fragment, and the configuration drops them all", _DISCARD

    FRAGMENT = "is one fragment of a datagram, and is judged by itself", _REFUSE
    EXTENSION_MALFORMED = "an IPv6 extension header is cut short", _REFUSE
    NO_NEXT_HEADER = "carries nothing: IPv6 next header 59", _REFUSE
    WRONG_FAMILY = "ICMP inside IPv6, or ICMPv6 inside IPv4", _REFUSE
    HEADER_CUT_SHORT = "ends within its transport header", _REFUSE
    CHECKSUM = "the transport checksum is wrong", _REFUSE
    TCP_DATA_OFFSET = "the TCP data offset is below 5 or beyond the segment's end", _REFUSE
    TCP_FLAGS = "no TCP sends this set of flags", _REFUSE
    UDP_LENGTH = "the UDP length is below 8 or beyond the datagram's end", _REFUSE
    UDPLITE_COVERAGE = "the UDP-Lite coverage is 1 to 7 or beyond the datagram's end", _REFUSE
    CHECKSUM_MISSING = "the checksum is zero, and UDP-Lite must have one", _REFUSE
    GRE_PROTOCOL = "GRE of version 1 that does not carry PPP", _REFUSE
    SCTP_CHUNKS = "no chunk, one without length, or one that must be alone or first", _REFUSE
    ICMP_TYPE = "an ICMP type that belongs to no conversation", _REFUSE
    ICMP_UNSOLICITED = "an ICMP reply that nobody asked for", _REFUSE
    QUOTE_MALFORMED = "an ICMP error whose quoted packet cannot be read", _REFUSE
    QUOTE_UNKNOWN = "an ICMP error that quotes a packet of no tracked connection", _REFUSE
    QUOTE_MISDIRECTED = "an ICMP error that does not go to the quoted packet's sender", _REFUSE

    TCP_NOT_AN_OPENING = "belongs to no connection and cannot open one", _REFUSE
    TCP_MIDSTREAM = "belongs to no connection, and loose pickup is off", _REFUSE
    OUT_OF_STATE = "cannot follow in the state that the connection has reached", _REFUSE
    SEQ_ABOVE_WINDOW = "carries data beyond what its receiver offered", _REFUSE
    ACK_ABOVE_SENT = "acknowledges data that the other side never sent", _REFUSE
    RST_BELOW_ACK = "a reset whose sequence number its receiver has long acknowledged", _REFUSE
    SCTP_NOT_AN_OPENING = "belongs to no association and cannot open one", _REFUSE
    SCTP_TAG = "the verification tag is not the one that its receiver chose", _REFUSE
    INIT_ACK_TAG = "an INIT ACK whose initiate tag contradicts the one given before", _REFUSE
    # fmt: on


# Looking a member up through its class costs more than the comparison it is needed for.
ACCEPT: Final = Action.ACCEPT
DROP: Final = Action.DROP
REJECT: Final = Action.REJECT
HOLD: Final = Action.HOLD
NEW: Final = CtState.NEW
ESTABLISHED: Final = CtState.ESTABLISHED
RELATED: Final = CtState.RELATED
INVALID: Final = CtState.INVALID
UNTRACKED: Final = CtState.UNTRACKED
NEW_BIT: Final = NEW.bit
ESTABLISHED_BIT: Final = ESTABLISHED.bit
RELATED_BIT: Final = RELATED.bit
INVALID_BIT: Final = INVALID.bit
UNTRACKED_BIT: Final = UNTRACKED.bit
ORIGINAL: Final = Direction.ORIGINAL
REPLY: Final = Direction.REPLY
OK: Final = Reason.OK
