"""Every tunable, its default and its bounds, and the named profiles.

`Config()` is the profile for people who embed a firewall: short lives, and nothing adopted whose
opening was not seen. `Config.linux()` is Linux 6.18 as it boots: its sysctls' defaults, under
their own names without the `nf_conntrack_` prefix.

All durations are seconds. Wrong values raise `ConfigError` when the object is made.
"""

from __future__ import annotations

from typing import Any, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.checks import (
    frozen,
    helper_ports,
    instance,
    one_of,
    port_number,
    seconds,
    switch,
    whole_number,
)
from statefulinspect.dos import DosPolicy
from statefulinspect.limits import Limits


def _seconds_field(default: float) -> Any:
    return attrs.field(default=default, validator=seconds)


@attrs.frozen(kw_only=True)
class Timeouts:
    """Hold how long a connection lives after its last packet, by protocol and state, in seconds.

    The defaults are those of `Config()`; each is 0 or more, and 0 means gone at once.
    Names follow the sysctls `net.netfilter.nf_conntrack_*_timeout_*`. `ipfrag` and `frag6` are how
    long the fragments of an IPv4 or IPv6 datagram wait for the rest of it, from the first on
    (`net.ipv4.ipfrag_time`, `nf_conntrack_frag6_timeout`).

    >>> Timeouts(tcp_established=900).tcp_established
    900
    """

    tcp_syn_sent: float = _seconds_field(120)
    tcp_syn_recv: float = _seconds_field(60)
    tcp_established: float = _seconds_field(3600)
    tcp_fin_wait: float = _seconds_field(120)
    tcp_close_wait: float = _seconds_field(60)
    tcp_last_ack: float = _seconds_field(30)
    tcp_time_wait: float = _seconds_field(120)
    tcp_close: float = _seconds_field(10)
    tcp_max_retrans: float = _seconds_field(300)
    tcp_unacknowledged: float = _seconds_field(300)
    udp: float = _seconds_field(30)
    udp_stream: float = _seconds_field(40)
    icmp: float = _seconds_field(30)
    icmpv6: float = _seconds_field(30)
    gre: float = _seconds_field(30)
    gre_stream: float = _seconds_field(180)
    sctp_closed: float = _seconds_field(10)
    sctp_cookie_wait: float = _seconds_field(3)
    sctp_cookie_echoed: float = _seconds_field(3)
    sctp_established: float = _seconds_field(210)
    sctp_shutdown_sent: float = _seconds_field(3)
    sctp_shutdown_recd: float = _seconds_field(3)
    sctp_shutdown_ack_sent: float = _seconds_field(3)
    sctp_heartbeat_sent: float = _seconds_field(30)
    generic: float = _seconds_field(600)
    ipfrag: float = _seconds_field(30)
    frag6: float = _seconds_field(60)

    @classmethod
    def linux(cls, **changes: float) -> Timeouts:
        """Make the timeouts that Linux 6.18 boots with, with any changed by name.

        >>> Timeouts.linux(udp=10).tcp_established
        432000
        """
        return cls(**{"tcp_established": 432_000, "udp_stream": 120, **changes})


@attrs.frozen(kw_only=True)
class TcpPolicy:
    """Hold how strict the TCP tracker is.

    `loose` adopts connections whose opening was not seen; `be_liberal` lets segments outside the
    window pass; `ignore_invalid_rst` leaves old resets to the window check; `max_retrans` is how
    many equal acknowledgements (0 to 255) cut an idle connection's life to `tcp_max_retrans`.
    Names and meanings are those of `net.netfilter.nf_conntrack_tcp_*`.

    >>> TcpPolicy(loose=True).be_liberal
    False
    """

    loose: bool = attrs.field(default=False, validator=switch)
    be_liberal: bool = attrs.field(default=False, validator=switch)
    ignore_invalid_rst: bool = attrs.field(default=False, validator=switch)
    max_retrans: int = attrs.field(default=3, validator=whole_number(0, 255))

    @classmethod
    def linux(cls, **changes: Any) -> TcpPolicy:
        """Make the policy that Linux 6.18 boots with, with any field changed by name.

        >>> TcpPolicy.linux(be_liberal=True).loose
        True
        """
        return cls(**{"loose": True, **changes})


@attrs.frozen(kw_only=True)
class HelperPolicy:
    """Hold what helpers may announce, beside what the rules let pass.

    `lowest_port` is the lowest TCP or UDP port that may be expected; with 65536 none may.
    `needs_assured` lets a TCP control connection announce only once it has proven itself both
    ways, `needs_in_window` only in segments that fit the window. `needs_proper_start` stops reading
    a connection that does not begin as its protocol does: FTP with the server's greeting, IRC with
    a registration, SIP over TCP with a SIP message. `reassembles` puts together commands that are
    split over segments, which are dropped otherwise. Linux has none of these.

    >>> HelperPolicy().lowest_port, HelperPolicy.linux().lowest_port
    (1024, 0)
    """

    lowest_port: int = attrs.field(default=1024, validator=port_number)
    needs_assured: bool = attrs.field(default=True, validator=switch)
    needs_in_window: bool = attrs.field(default=True, validator=switch)
    needs_proper_start: bool = attrs.field(default=True, validator=switch)
    reassembles: bool = attrs.field(default=False, validator=switch)

    @classmethod
    def linux(cls, **changes: Any) -> HelperPolicy:
        """Make the policy of Linux 6.18, with any field changed by name."""
        needs = ("needs_assured", "needs_in_window", "needs_proper_start")
        return cls(**{"lowest_port": 0, **dict.fromkeys(needs, False), **changes})


@attrs.frozen(kw_only=True)
class Config:
    """Hold everything a tracker can be told beside its rules; frozen, and shared freely.

    `verify_checksums` makes wrong checksums INVALID: IPv4 header, TCP, UDP, UDP-Lite, SCTP, ICMP
    and ICMPv6. It is off by default because captures taken on the sending machine hold checksums
    that the network card had yet to fill in. `udplite_sums_as_udp` expects UDP-Lite checksums
    to be summed with UDP's protocol number, a defect of Linux 6.18 by which right ones are
    INVALID. `accounting` prints packets and octets in `to_conntrack`. `events` writes down what
    happens to connections, for `Tracker.events`. `helpers` says by destination port which new
    connections are read by which helper, a name or an object; `helper_policy` what those may do.
    `fragments` says what becomes of them: "reassemble" holds them until their datagram is whole,
    and judges that; "drop" drops each; "track" judges each by itself, as INVALID.
    `dos` says which attacks are discarded before all else.

    >>> Config().verify_checksums, Config.linux().verify_checksums
    (False, True)
    """

    timeouts: Timeouts = attrs.field(factory=Timeouts, validator=instance(Timeouts))
    tcp: TcpPolicy = attrs.field(factory=TcpPolicy, validator=instance(TcpPolicy))
    verify_checksums: bool = attrs.field(default=False, validator=switch)
    udplite_sums_as_udp: bool = attrs.field(default=False, validator=switch)
    accounting: bool = attrs.field(default=True, validator=switch)
    events: bool = attrs.field(default=False, validator=switch)
    helpers: Mapping[int, object] = attrs.field(
        factory=lambda: {21: "ftp"}, converter=frozen, validator=helper_ports, hash=False
    )
    helper_policy: HelperPolicy = attrs.field(
        factory=HelperPolicy, validator=instance(HelperPolicy)
    )
    limits: Limits = attrs.field(factory=Limits, validator=instance(Limits))
    fragments: str = attrs.field(
        default="reassemble", validator=one_of("reassemble", "drop", "track")
    )
    dos: DosPolicy = attrs.field(factory=DosPolicy, validator=instance(DosPolicy))

    @classmethod
    def linux(cls, **changes: Any) -> Config:
        """Make the configuration of Linux 6.18 as it boots, with any field changed by name.

        A field is replaced as a whole: for another timeout pass `timeouts=Timeouts.linux(udp=10)`.

        >>> Config.linux(accounting=True).tcp.loose
        True
        """
        linux: dict[str, Any] = {
            "timeouts": Timeouts.linux(),
            "tcp": TcpPolicy.linux(),
            "verify_checksums": True,
            "udplite_sums_as_udp": True,
            "accounting": False,
            "helpers": {},
            "helper_policy": HelperPolicy.linux(),
            "limits": Limits.linux(),
            "dos": DosPolicy.linux(),
        }
        return cls(**{**linux, **changes})
